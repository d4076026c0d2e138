"""Edits of the checksums that S3 computes, compares and returns."""

from __future__ import annotations

from local.aws.ministack.patching import Edit

_S3 = "services.s3"

#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
_WHOLE = "the checksum of a whole object that is uploaded in parts was that of its parts' checksums"

CHECKSUM_EDITS = [
    Edit(
        name="checksum requested from CopyObject",
        why="the header was ignored, so the copy had no such checksum",
        module=_S3,
        old='    if headers.get("x-amz-sdk-checksum-algorithm") or any(\n',
        new="""    if headers.get("x-amz-checksum-algorithm"):
        dest_checksums = {}
        headers = {**headers, "x-amz-sdk-checksum-algorithm": headers["x-amz-checksum-algorithm"]}
    if headers.get("x-amz-sdk-checksum-algorithm") or any(
""",
    ),
    Edit(
        name="checksum returned by CopyObject",
        why="CopyObjectResult contains the checksum on AWS",
        module=_S3,
        old='    SubElement(root, "LastModified").text = last_modified\n'
        '    SubElement(root, "ETag").text = new_etag\n    return 200, resp_headers',
        new="""    SubElement(root, "LastModified").text = last_modified
    SubElement(root, "ETag").text = new_etag
    for algorithm, value in dest_checksums.items():
        SubElement(root, f"Checksum{algorithm}").text = value
    return 200, resp_headers""",
    ),
    Edit(
        name="type of an upload's checksum",
        why=_WHOLE,
        module=_S3,
        old='        "checksum_algorithm": checksum_algorithm,\n        "created": now_iso(),\n',
        new='        "checksum_algorithm": checksum_algorithm,\n        "created": now_iso(),\n'
        '        "checksum_type": headers.get("x-amz-checksum-type") or "COMPOSITE",\n',
    ),
    Edit(
        name="type of an upload's checksum in the answer",
        why=_WHOLE,
        module=_S3,
        old='        csum_headers["x-amz-checksum-type"] = "COMPOSITE"\n',
        new='        csum_headers["x-amz-checksum-type"] = _multipart_uploads[upload_id]["checksum_type"]\n',
    ),
    Edit(
        name="checksum of the whole object",
        why=_WHOLE,
        module=_S3,
        old="    composite = _composite_checksum(checksum_algorithm, part_digests)\n",
        new="""    composite = _composite_checksum(checksum_algorithm, part_digests)
    if checksum_algorithm and upload["checksum_type"] == "FULL_OBJECT":
        composite = _compute_s3_checksum(checksum_algorithm, b"".join(combined_parts))
""",
    ),
    Edit(
        name="type of the object's checksum",
        why=_WHOLE,
        module=_S3,
        old='        "checksum_type": "COMPOSITE" if composite else None,\n',
        new='        "checksum_type": upload["checksum_type"] if composite else None,\n',
    ),
    Edit(
        name="type of the completed object's checksum",
        why=_WHOLE,
        module=_S3,
        old='        SubElement(root, "ChecksumType").text = "COMPOSITE"\n',
        new='        SubElement(root, "ChecksumType").text = upload["checksum_type"]\n',
    ),
]
