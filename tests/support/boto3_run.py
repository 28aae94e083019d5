"""Run a snippet (standard input) with boto3 at hand and print its `result` as JSON.

In the snippet, `client("sqs")` gives a boto3 client; endpoints, Region and credentials
come from the environment by botocore's own rules.
"""

import datetime
import json
import sys

import boto3
from botocore.exceptions import ClientError


def client(service):
    return boto3.client(service)


def code_of(call, **arguments):
    """The error code that a call ends with, or None where it succeeds."""
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


def plain(value):
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    return str(value)


scope = {"client": client, "code_of": code_of, "json": json, "result": None}
exec(compile(sys.stdin.read(), "snippet", "exec"), scope)
result = scope["result"]
if isinstance(result, dict):
    result.pop("ResponseMetadata", None)
json.dump(result, sys.stdout, default=plain)
