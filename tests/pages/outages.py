"""What each component of a stack is for, and what customers and operators notice while it is missing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Outage:
    """What a component is, and what happens without it in one region."""

    is_: str
    without: str


#: By the type of the component.
OUTAGES = {
    "mft:audit:Audit": Outage(
        "The function that chains the region's facts into the audit bucket",
        "customers notice nothing; facts wait in the tracker and are exported later, unless they expire"
        " before",
    ),
    "mft:canary:Canary": Outage(
        "The synthetic customer of the cell, and the function that sends its files",
        "customers notice nothing, unless `mft:automaticFailover` is set: the region then counts as"
        " unhealthy",
    ),
    "mft:dashboard:Dashboard": Outage(
        "The cell's dashboard", "customers notice nothing; operators have no dashboard"
    ),
    "mft:dead_letters:DeadLetters": Outage(
        "The queues of events and invocations that could not be delivered",
        "customers notice nothing at once; an event that cannot be delivered for a day is gone, and its"
        " file waits for the sweep",
    ),
    "mft:deployed:Deployed": Outage(
        "The parameter that says which revision is deployed",
        "customers notice nothing; `mft-ops` cannot compare the regions' revisions",
    ),
    "mft:endpoint:Endpoint": Outage(
        "The SFTP endpoint, with its host keys and the name of the cell",
        "nobody can log in by SFTP in this region; the S3 API and deliveries go on",
    ),
    "mft:failover:Failover": Outage(
        "The switch about the peer, which functions publish, and the takeover",
        "customers notice nothing until a failover; the peer cannot be taken out of DNS from here, and"
        " nothing of it is taken over",
    ),
    "mft:firewall:Firewall": Outage(
        "The security groups of endpoint and functions",
        "networks that a missing rule allowed cannot log in, and destinations that it allowed get no files",
    ),
    "mft:health:Health": Outage(
        "The health checks that all DNS records of the region carry, and their alarms",
        "AWS does not say what the region's names answer then, so no evacuation can be relied on",
    ),
    "mft:intake:Intake": Outage(
        "The rules, the queue and the function that take files in",
        "uploads are acknowledged and wait; events in the queue are kept for 14 days, and the sweep finds"
        " files whose events are lost",
    ),
    "mft:key:DataKey": Outage(
        "The key that encrypts everything that the cell keeps",
        "nothing can be read or written: no upload, no delivery; what it encrypted is lost once AWS has"
        " deleted it",
    ),
    "mft:monitoring:Monitoring": Outage(
        "The cell's alarms and the topic that they notify",
        "customers notice nothing; operators are told of nothing",
    ),
    "mft:network:Network": Outage(
        "The VPC, its subnets, its routes and its public addresses",
        "nobody can log in by SFTP, and no partner's server is reached; files wait, and are tried for hours",
    ),
    "mft:parts:Parts": Outage(
        "The manifest of the cell, by which `mft-ops` finds its parts",
        "customers notice nothing; `mft-ops` cannot act on this region",
    ),
    "mft:probe:Probe": Outage(
        "The functions that ask the endpoint's addresses from each zone",
        "customers notice nothing, unless `mft:automaticFailover` is set: the region then counts as"
        " unhealthy",
    ),
    "mft:replication:ReplicationEvents": Outage(
        "The queue and the function that count what S3 could not replicate",
        "customers notice nothing; objects go on replicating, and failures are found by `mft-ops gaps` only",
    ),
    "mft:services:Gateways": Outage(
        "The gateway endpoints of S3 and DynamoDB in the VPC",
        "functions in the VPC reach S3 and DynamoDB by the NAT gateways, as far as the firewall lets them;"
        " deliveries fail otherwise",
    ),
    "mft:services:Interfaces": Outage(
        "The interface endpoints of other AWS services in the VPC",
        "deliveries cannot read partners' keys and are repeated for hours",
    ),
    "mft:storage:Storage": Outage(
        "The buckets of archive, audit and routing documents, and what replicates to the peer",
        "if the routing documents are gone, nothing is taken in or delivered until they are written"
        " again; if the roles are gone, nothing replicates, and the RPO grows",
    ),
    "mft:sweep:Sweep": Outage(
        "The function that finds uploads whose events were lost, and transfers that nothing carries",
        "customers notice nothing unless an event is lost; its file then waits",
    ),
    "mft:tenant:Tenant": Outage(
        "One customer: bucket, SFTP users, topic, names, routing document",
        "this customer, and no other, cannot send or gets no receipts",
    ),
    "mft:tracker:Tracker": Outage(
        "The table of facts about transfers",
        "nothing is taken in or delivered; events wait in the queue",
    ),
    "mft:workflow:Workflow": Outage(
        "The state machine that carries a transfer, and its five functions",
        "files are taken in and wait; the sweep restarts transfers whose executions are gone",
    ),
}
