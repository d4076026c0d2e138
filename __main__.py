"""One stack: the cell of one GovCloud region, and the resources of its customers in that region."""

import gc
import os
from pathlib import Path

import pulumi
import pulumi_aws as aws

from components import bundle, preflight
from components.cell import Cell
from components.deployed import Deployed
from components.settings import Settings, SettingsError
from components.tenant import Tenant
from customers.problems import RegistryError
from customers.registry import load

gc.disable()  # it takes two thirds of a run with many customers, and objects live until the process ends
try:
    settings = Settings.from_config()
    preflight.check_backend(settings)
    project = Path(pulumi.get_root_directory())
    registry = load(project / "customers", namespace=settings.namespace, zone=settings.zone)
    cells = preflight.check_cells(settings, registry, project)
    preflight.check_quotas(settings, registry, cells)
    code = bundle.build(settings.lambda_runtime)
    provider = aws.Provider(
        settings.stack,
        region=settings.region,
        allowed_account_ids=[settings.account],
        use_fips_endpoint="AWS_ENDPOINT_URL" not in os.environ,  # a given endpoint has no other host
        default_tags=aws.ProviderDefaultTagsArgs(
            tags={"mft:cell": settings.cell, "mft:stack": settings.stack}
        ),
    )
    preflight.check_zone(settings, provider=provider)
    preflight.check_service_quotas(settings, registry, cells, provider=provider)
except (SettingsError, RegistryError, bundle.BundleError) as error:
    raise pulumi.RunError(str(error)) from error

customers = registry.of_cell(settings.cell)
opts = pulumi.ResourceOptions(providers=[provider])
cell = Cell(settings=settings, customers=customers, bundle=code, opts=opts)
tenants = [Tenant(customer, cell=cell, opts=opts) for customer in customers]
Deployed(f"cell{settings.cell}-registry", settings=settings, tenants=tenants, opts=opts)

for name, value in cell.exports.items():
    pulumi.export(name, value)
pulumi.export("buckets", {tenant.customer.id: tenant.bucket for tenant in tenants})
pulumi.export("receipts", {tenant.customer.id: tenant.receipts for tenant in tenants if tenant.receipts})
