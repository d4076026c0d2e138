"""One stack: the cell of one GovCloud region and its side of every customer in the registry."""

from pathlib import Path

import pulumi
import pulumi_aws as aws

from components import bundle
from components.cell import Cell
from components.settings import Settings, SettingsError
from components.tenant import Tenant
from customers import names
from customers.registry import RegistryError, load

try:
    settings = Settings.from_config()
    registry = load(
        Path(pulumi.get_root_directory()) / "customers", namespace=settings.namespace, zone=settings.zone
    )
    code = bundle.build(settings.lambda_runtime)
except (SettingsError, RegistryError, bundle.BundleError) as error:
    raise pulumi.RunError(str(error)) from error

provider = aws.Provider(
    settings.stack,
    region=settings.region,
    allowed_account_ids=[settings.account],
    default_tags=aws.ProviderDefaultTagsArgs(tags={"mft:cell": settings.cell, "mft:stack": settings.stack}),
)
customers = registry.of_cell(settings.cell)
cell = Cell(
    settings=settings, customers=customers, bundle=code, opts=pulumi.ResourceOptions(providers=[provider])
)
tenants = [
    Tenant(customer, cell=cell, opts=pulumi.ResourceOptions(providers=[provider])) for customer in customers
]

pulumi.export("host", cell.endpoint.host)
pulumi.export("addresses", [address.public_ip for address in cell.network.endpoint_addresses])
pulumi.export("server", cell.endpoint.server_id)
pulumi.export("archive", cell.storage.archive_bucket)
pulumi.export("tracker", names.tracker_table(settings.cell))
pulumi.export("stateMachine", cell.workflow.state_machine_arn)
pulumi.export("ingestQueue", cell.intake.queue_url)
pulumi.export("deadLetters", cell.intake.dead_letters_url)
pulumi.export("buckets", {tenant.customer.id: tenant.bucket for tenant in tenants})
