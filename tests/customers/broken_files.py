"""Ways to break a file: by case, a change of the sound file, and the one line that reports it."""

from __future__ import annotations

from customer_samples import ED25519, KEY, P384, WEAK_RSA

ONE_PROBLEM = {
    "enum": (("primary: west", "primary: wst"), "4: primary: 'wst' is not one of east, west"),
    "unknown key": (
        ("name: Example agency", "name: Example agency\nnmae: x"),
        "3: nmae: is not a known key; did you mean 'name'?",
    ),
    "unknown key in a destination": (
        ("    user: mft", "    usr: mft\n    user: mft"),
        "15: destinations.partner.usr: is not a known key; did you mean 'user'?",
    ),
    "unknown key like nothing": (
        ("    kind: s3", "    kind: s3\n    zzz: 1"),
        "20: destinations.landing.zzz: is not a known key; use one of account, bucket, kind, kms_key, prefix,"
        " region",
    ),
    "key of another region": (
        (
            "    bucket: partner-landing\n",
            "    bucket: partner-landing\n    region: us-gov-west-1\n"
            "    kms_key: arn:aws-us-gov:kms:us-gov-east-1:210987654321:key/1234abcd\n",
        ),
        "22: destinations.landing.kms_key: 'arn:aws-us-gov:kms:us-gov-east-1:210987654321:key/1234abcd' is"
        " not in us-gov-west-1, where the bucket is; name the key of the bucket",
    ),
    "alias of a key": (
        (
            "    bucket: partner-landing\n",
            "    bucket: partner-landing\n"
            "    kms_key: arn:aws-us-gov:kms:us-gov-east-1:210987654321:alias/landing\n",
        ),
        "21: destinations.landing.kms_key: 'arn:aws-us-gov:kms:us-gov-east-1:210987654321:ali…' (59"
        " characters) is not a key of KMS in a GovCloud region (an alias does not do: policies name keys);"
        " write"
        " arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    ),
    "missing key": (("name: Example agency\n", ""), "1: name: is missing; add it"),
    "missing key in a list": (
        ("      source_cidrs: [198.51.100.0/24]\n", ""),
        "7: sftp.users[0].source_cidrs: is missing; add it",
    ),
    "missing kind": (("    kind: s3\n", ""), "18: destinations.landing: has no 'kind'; add one of s3, sftp"),
    "unknown kind": (("kind: s3", "kind: s4"), "19: destinations.landing.kind: 's4' is not one of s3, sftp"),
    "empty value": (
        ("name: Example agency", "name:"),
        "2: name: is empty; give it a value",
    ),
    "empty list": (
        ("[198.51.100.0/24]", "[]"),
        "10: sftp.users[0].source_cidrs: has no entries; give at least 1",
    ),
    "number for text": (
        ("name: Example agency", "name: 12"),
        "2: name: is a number, but should be text; put it in quotes",
    ),
    "truth for text": (
        ("name: Example agency", "name: true"),
        "2: name: is true or false, but should be text; put it in quotes",
    ),
    "text for number": (
        ("    user: mft", "    port: '22'\n    user: mft"),
        "15: destinations.partner.port: is text, but should be a whole number, without quotes or fraction",
    ),
    "fraction for number": (
        ("    user: mft", "    port: 22.5\n    user: mft"),
        "15: destinations.partner.port: is text, but should be a whole number, without quotes or fraction",
    ),
    "text for list": (
        ("to: [partner]", "to: partner"),
        "23: routes[0].to: is text, but should be a list; begin each item with '- '",
    ),
    "text for mapping": (
        ("name: Example agency", "name: Example agency\nretention: long"),
        "3: retention: is text, but should be keys and values; write `key: value` lines below it",
    ),
    "list for enum": (("primary: west", "primary: [west]"), "4: primary: a list is not one of east, west"),
    "value below its key": (
        ("primary: west", "primary:\n\n  wst"),
        "6: primary: 'wst' is not one of east, west",
    ),
    "id with capitals": (
        ("id: c7k2m", "id: Acme"),
        "1: id: 'Acme' is not an id; use 3 to 20 lower-case letters and digits, the first a letter",
    ),
    "id that is reserved": (
        ("id: c7k2m", "id: archive"),
        "1: id: 'archive' is reserved; use an opaque id such as 'c7k2m'",
    ),
    "id that reads as a cell": (
        ("id: c7k2m", "id: west12"),
        "1: id: 'west12' is reserved; use an opaque id such as 'c7k2m'",
    ),
    "cell": (
        ("primary: west", "primary: west\ncell: a-b"),
        "5: cell: 'a-b' is not a cell; write its number, from 1 to 999, without leading zeros",
    ),
    "user with capitals": (
        ("    - name: c7k2m-batch", "    - name: Batch"),
        "7: sftp.users[0].name: 'Batch' is not an SFTP user name; use 3 to 100 lower-case letters, digits,"
        " '_',"
        " '@', '.' and '-', the first a letter, digit or '_', and not 'canary' at the beginning",
    ),
    "network with host bits": (
        ("198.51.100.0/24", "198.51.100.9/24"),
        "10: sftp.users[0].source_cidrs[0]: '198.51.100.9/24' has host bits set or is not in its usual form;"
        " write 198.51.100.0/24",
    ),
    "address without a length": (
        ("198.51.100.0/24", "198.51.100.9"),
        "10: sftp.users[0].source_cidrs[0]: '198.51.100.9' has no prefix length; write 198.51.100.9/32",
    ),
    "the internet": (
        ("198.51.100.0/24", "0.0.0.0/0"),
        "10: sftp.users[0].source_cidrs[0]: '0.0.0.0/0' opens the endpoint of every customer of the cell to a"
        " large part of the internet; list the customer's own networks, /8 or smaller",
    ),
    "IPv6": (
        ("198.51.100.0/24", "'2001:db8::/64'"),
        "10: sftp.users[0].source_cidrs[0]: '2001:db8::/64' is not an IPv4 network; write one such as"
        " 198.51.100.0/24",
    ),
    "weak key": (
        (f"        - {KEY}\n", f"        - {WEAK_RSA}\n"),
        "9: sftp.users[0].public_keys[0]: is an RSA key of 1024 bits; at least 2048 are needed, make a new"
        " key",
    ),
    "key cut short": (
        (f"        - {KEY}\n", f"        - {KEY[:100]}\n"),
        "9: sftp.users[0].public_keys[0]: is cut short; paste the whole line of the .pub file",
    ),
    "key twice": (
        (f"        - {KEY}\n", f"        - {KEY}\n        - {KEY} a comment\n"),
        "10: sftp.users[0].public_keys[1]: is listed twice, first as sftp.users[0].public_keys[0]; remove"
        " one",
    ),
    "too many networks in one line": (
        ("[198.51.100.0/24]", "198.51.100.0/24"),
        "10: sftp.users[0].source_cidrs: is text, but should be a list; begin each item with '- '",
    ),
    "host with a scheme": (
        ("host: sftp.partner.example", "host: sftp://partner.example"),
        "14: destinations.partner.host: 'sftp://partner.example' is not a host; write a full DNS"
        " name in lower case or an IPv4 address, without a port",
    ),
    "host like an address": (
        ("host: sftp.partner.example", "host: 10.0.0.256"),
        "14: destinations.partner.host: '10.0.0.256' is not a host; write a full DNS name in lower"
        " case or an IPv4 address, without a port",
    ),
    "bucket as an address": (
        ("bucket: partner-landing", "bucket: s3://partner-landing"),
        "20: destinations.landing.bucket: 's3://partner-landing' is not a bucket; use its bare name: 3 to 63"
        " lower-case letters, digits, dots, hyphens",
    ),
    "bucket outside the partition": (
        ("bucket: partner-landing", "bucket: partner-landing\n    region: us-east-1"),
        "21: destinations.landing.region: 'us-east-1' is not one of us-gov-east-1, us-gov-west-1",
    ),
    "prefix": (
        ("bucket: partner-landing", "bucket: partner-landing\n    prefix: a/b"),
        "21: destinations.landing.prefix: 'a/b' is not a prefix; end it with '/' and do not begin it with"
        " one, or"
        " leave it out",
    ),
    "directory": (
        ("    user: mft", "    directory: in/../../etc\n    user: mft"),
        "15: destinations.partner.directory: 'in/../../etc' is not a directory; write a path without '..' or"
        " backslashes",
    ),
    "TTL": (
        ("primary: west", "primary: west\nfailover:\n  ttl: 61"),
        "6: failover.ttl: 61 is above 60; use 60 or less",
    ),
    "TTL of nothing": (
        ("primary: west", "primary: west\nfailover: {ttl: 0}"),
        "5: failover.ttl: 0 is below 1; use 1 or more",
    ),
    "window": (
        ("primary: west", "primary: west\nduplicates:\n  window: 7 days"),
        "6: duplicates.window: '7 days' is not a duration; write a number and d or h, such as 7d or 12h",
    ),
    "short memory": (
        ("primary: west", "primary: west\nretention:\n  tracker_days: 36"),
        "6: retention.tracker_days: the tracker forgets a file after 36 days, but it can be sent again for 37"
        " (inbound_days plus the window); set tracker_days to 37 or more",
    ),
    "short memory by the window": (
        ("primary: west", "primary: west\nduplicates:\n  window: 371d"),
        "6: duplicates.window: the tracker forgets a file after 400 days, but it can be sent again for 401"
        " (inbound_days plus the window); set tracker_days to 401 or more",
    ),
    "character class": (
        ("*.txt", "[ab].txt"),
        "24: routes[1].match: 'sftp/c7k2m-batch/[ab].txt' has a '['; only `*`, `?` and `**` are special;"
        " write one pattern per alternative",
    ),
    "overlap": (
        ("*.txt", "a*"),
        "24: routes[1].match: 'sftp/c7k2m-batch/a*' overlaps 'sftp/c7k2m-batch/*.csv' of routes[0]: both"
        " match 'sftp/c7k2m-batch/a.csv'; make them disjoint, or write one route with all destinations",
    ),
    "two files of one name at one place": (
        (
            "sftp/c7k2m-batch/*.txt\n    to: [landing]",
            "sftp/c7k2m-batch/more/*.csv\n    to: [landing, partner]",
        ),
        "24: routes[1].match: this and routes[0] can write two files under one name at 'partner', such as"
        " '.csv'; give one of them a destination with its own directory or prefix",
    ),
    "overlap at one place": (
        ("sftp/c7k2m-batch/*.txt\n    to: [landing]", "sftp/c7k2m-batch/a*\n    to: [landing, partner]"),
        "24: routes[1].match: 'sftp/c7k2m-batch/a*' overlaps 'sftp/c7k2m-batch/*.csv' of routes[0]: both"
        " match 'sftp/c7k2m-batch/a.csv'; make them disjoint, or write one route with all destinations",
    ),
    "one place under two names": (
        (
            "  landing:\n    kind: s3\n    bucket: partner-landing\nroutes:\n"
            "  - match: sftp/c7k2m-batch/*.csv\n    to: [partner]\n"
            "  - match: sftp/c7k2m-batch/*.txt",
            "  landing:\n    kind: s3\n    bucket: partner-landing\n"
            "  again: {kind: s3, bucket: partner-landing, prefix: ''}\nroutes:\n"
            "  - match: sftp/c7k2m-batch/*.csv\n    to: [partner, again]\n"
            "  - match: sftp/c7k2m-batch/sub/*",
        ),
        "25: routes[1].match: this and routes[0] can write two files under one name at 'landing', such as"
        " '.csv'; give one of them a destination with its own directory or prefix",
    ),
    "one directory under two names": (
        (
            "  landing:\n    kind: s3\n    bucket: partner-landing\nroutes:\n"
            "  - match: sftp/c7k2m-batch/*.csv\n    to: [partner]\n"
            "  - match: sftp/c7k2m-batch/*.txt\n",
            "  landing:\n    kind: sftp\n    host: sftp.partner.example\n    user: mft\n"
            f"    host_key: {KEY}\n    secret: mft/other\n    port: 22\n    directory: ./\nroutes:\n"
            "  - match: sftp/c7k2m-batch/*.csv\n    to: [partner]\n"
            "  - match: sftp/c7k2m-batch/sub/*\n",
        ),
        "29: routes[1].match: this and routes[0] can write two files under one name at 'landing', such as"
        " '.csv'; give one of them a destination with its own directory or prefix",
    ),
    "ed25519 key of a login": (
        (f"        - {KEY}\n", f"        - {ED25519} a comment\n"),
        "9: sftp.users[0].public_keys[0]: is an ed25519 key, which the endpoint's FIPS policy does not"
        " allow; let the customer make another: ssh-keygen -t ecdsa -b 384",
    ),
    "account of a bucket": (
        ("    bucket: partner-landing\n", "    bucket: partner-landing\n    account: 123456789012\n"),
        "21: destinations.landing.account: is a number, but should be text; put it in quotes",
    ),
    "route for nobody": (
        ("sftp/c7k2m-batch/*.txt", "sdk/**"),
        "24: routes[1].match: 'sdk/**' matches no file that can arrive; files arrive as sftp/c7k2m-batch/**",
    ),
    "user without a route": (
        (
            "      source_cidrs: [198.51.100.0/24]\n",
            f"      source_cidrs: [198.51.100.0/24]\n    - name: other\n      public_keys: [{P384}]\n"
            "      source_cidrs: [192.0.2.0/24]\n",
        ),
        "11: sftp.users[1].name: no route matches files of SFTP user 'other'; add one that matches"
        " 'sftp/other/**'",
    ),
    "destination twice in a route": (
        ("to: [partner]", "to: [partner, partner]"),
        "23: routes[0].to[1]: is listed twice, first as routes[0].to[0]; remove one",
    ),
    "temporary name for everything": (
        ("primary: west", "primary: west\ntemporary_names: ['*']"),
        "5: temporary_names[0]: '*' matches every name, so no file would ever be sent; add an ending",
    ),
    "plain http receipt": (
        ("primary: west", "primary: west\nreceipts:\n  - kind: https\n    url: http://x.example/"),
        "7: receipts[0].url: 'http://x.example/' is not an https address; write https://host/path, without a"
        " user or password",
    ),
    "receipt twice": (
        ("primary: west", "primary: west\nreceipts:\n" + "  - {kind: email, address: a@b.example}\n" * 2),
        "7: receipts[1].address: is listed twice, first as receipts[0].address; remove one",
    ),
    "fifo queue": (
        (
            "primary: west",
            "primary: west\nreceipts:\n  - kind: sqs\n"
            "    arn: arn:aws-us-gov:sqs:us-gov-west-1:123456789012:q.fifo",
        ),
        "7: receipts[0].arn: 'arn:aws-us-gov:sqs:us-gov-west-1:123456789012:q.fifo' is not a"
        " standard queue of SQS in a GovCloud region (a topic cannot feed a .fifo queue); write"
        " arn:aws-us-gov:sqs:us-gov-west-1:123456789012:receipts",
    ),
    "duplicate key": (
        ("lifecycle: active\n", "lifecycle: active\nname: Other\n"),
        "4: name: is given twice, first on line 2; remove one",
    ),
    "duplicate key below": (
        ("    kind: s3\n", "    kind: s3\n    kind: s3\n"),
        "20: destinations.landing.kind: is given twice, first on line 19; remove one",
    ),
    "number as a key": (
        ("name: Example", "7: x\nname: Example"),
        "2: the key '7' is not text; put it in quotes",
    ),
    "anchor": (
        ("lifecycle: active", "lifecycle: &a active"),
        "3: anchors are not allowed; write the value out where it is needed",
    ),
    "tag": (
        ("lifecycle: active", "lifecycle: !!python/name:os.system active"),
        "3: tags are not allowed; to make a value text, put it in quotes",
    ),
    "merge key": (
        ("lifecycle: active", "lifecycle: active\n<<: {cell: '2'}"),
        "4: merge keys are not allowed; write the values out",
    ),
    "number that may be octal": (
        ("primary: west", "primary: west\nretention:\n  inbound_days: 030"),
        "6: retention.inbound_days: '030' may be read as an octal number; write it without a leading 0",
    ),
    "line hidden in a comment": (
        ("primary: west", "primary: west # see\u2028lifecycle: retired"),
        "4: holds the invisible character U+2028; remove it",
    ),
    "text shown in another order": (
        ("name: Example agency", "name: \u202eagency"),
        "2: holds the invisible character U+202E; remove it",
    ),
    "cell of two spellings": (
        ("primary: west", 'primary: west\ncell: "01"'),
        "5: cell: '01' is not a cell; write its number, from 1 to 999, without leading zeros",
    ),
    "list for text": (
        ("name: Example agency", "name: [a, b]"),
        "2: name: is a list, but should be text; write one value",
    ),
    "empty value that can be left out": (
        ("primary: west", "primary: west\ncell:"),
        "5: cell: is empty; give it a value or remove the line",
    ),
    "metadata service as a partner": (
        ("host: sftp.partner.example", "host: 169.254.169.254"),
        "14: destinations.partner.host: '169.254.169.254' is not on the internet (link-local); write the"
        " partner's public address",
    ),
    "the machine itself as a partner": (
        ("host: sftp.partner.example", "host: 127.0.0.1"),
        "14: destinations.partner.host: '127.0.0.1' is not on the internet (the machine itself); write the"
        " partner's public address",
    ),
    "private partner": (
        ("host: sftp.partner.example", "host: 172.31.255.1"),
        "14: destinations.partner.host: '172.31.255.1' is not on the internet (private); write the partner's"
        " public address",
    ),
    "partner without a domain": (
        ("host: sftp.partner.example", "host: localhost"),
        "14: destinations.partner.host: 'localhost' is not a host; write a full DNS name in lower case or an"
        " IPv4 address, without a port",
    ),
    "name of a private network": (
        ("host: sftp.partner.example", "host: sftp.us-gov-west-1.compute.internal"),
        "14: destinations.partner.host: 'sftp.us-gov-west-1.compute.internal' is not a name on the internet;"
        " write one that public name servers answer",
    ),
    "receipts to the metadata service": (
        (
            "primary: west",
            "primary: west\nreceipts:\n  - {kind: https, url: 'https://169.254.169.254/latest'}",
        ),
        "6: receipts[0].url: '169.254.169.254' is not on the internet (link-local); write the partner's"
        " public address",
    ),
    "login from the machine itself": (
        ("198.51.100.0/24", "127.0.0.0/8"),
        "10: sftp.users[0].source_cidrs[0]: '127.0.0.0/8' is not on the internet (the machine itself), so"
        " nobody can come from there; list the addresses from which the customer reaches the internet",
    ),
    "many wide networks": (
        ("[198.51.100.0/24]", "[11.0.0.0/8, 12.0.0.0/16]"),
        "6: sftp.users: the networks of this customer hold 16,842,752 addresses together, but 16,777,216 are"
        " allowed, those of a /8; list the customer's own networks only",
    ),
    "secret of another customer": (
        ("secret: mft/c7k2m/partner", "secret: ../h4t9q/landing"),
        "17: destinations.partner.secret: is not the name of a secret below `<namespace>/<id>/`; write it"
        " without '.', '..' or an empty part between slashes or at an end",
    ),
    "secret with an absolute name": (
        ("secret: mft/c7k2m/partner", "secret: /abs"),
        "17: destinations.partner.secret: is not the name of a secret below `<namespace>/<id>/`; write it"
        " without '.', '..' or an empty part between slashes or at an end",
    ),
    "content of a secret": (
        ("secret: mft/c7k2m/partner", "secret: Sup3rS3cretPassw0rd2024"),
        "17: destinations.partner.secret: looks like the content of a secret; if it is, remove it from the"
        " repository's history and replace it at its origin; write the name of the Secrets Manager secret,"
        " in words with hyphens",
    ),
    "temporary names that take a route": (
        ("primary: west", "primary: west\ntemporary_names: ['*.csv']"),
        "5: temporary_names[0]: '*.csv' takes every name that 'sftp/c7k2m-batch/*.csv' matches, so no file"
        " would ever be sent by that route; write a pattern for unfinished uploads only",
    ),
    "route for unfinished uploads": (
        ("sftp/c7k2m-batch/*.txt", "sftp/c7k2m-batch/*.tmp"),
        "24: routes[1].match: 'sftp/c7k2m-batch/*.tmp' matches only names of unfinished uploads, *.tmp,"
        " which are never sent; write a pattern for finished ones, or say in incoming.client what"
        " uploads them",
    ),
    "archive shorter than inbound": (
        ("primary: west", "primary: west\nretention: {archive_days: 20, inbound_days: 25}"),
        "5: retention.archive_days: the copy of what was sent is kept for 20 days, and the file itself for"
        " 25; set archive_days to 25 or more",
    ),
    "tab": (("  users:", "\tusers:"), "6: is not YAML: there is a tab; indent with spaces"),
    "second document": (
        ("to: [landing]", "to: [landing]\n---\nid: x"),
        "27: a second document begins here; write one customer per file",
    ),
}
