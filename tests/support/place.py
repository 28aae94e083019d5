"""Make and change an organisation at an AWS-compatible endpoint, and read back what is true there.

Standard input holds a request in JSON on each line, such as {"do": "add_ou", "path": "A/B"};
each is answered by a line with {"ok": ...} or {"error": "..."}. Endpoint, Region and
credentials come from the environment by botocore's own rules.
"""

import json
import os
import re
import sys
import time
import traceback
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

STACKSETS = "member.org.stacksets.cloudformation.amazonaws.com"
# The role that Organizations makes in each account it creates.
MEMBER_ROLE = os.environ.get("BILLCTL_SCENARIO_ROLE", "OrganizationAccountAccessRole")
ENGINE = os.environ.get("BILLCTL_SCENARIO_ENGINE", "aws")
ALARM = "Billing-Alarm"  # config's default
LONGEST_WAIT = 120

# What an engine doesn't have is answered at once, so there is nothing to try again.
org, cfn, sts = (
    boto3.client(name, config=Config(retries={"total_max_attempts": 2}))
    for name in ("organizations", "cloudformation", "sts")
)
# The OUs by path below the scenario's own, which is "".
ous = {}
sessions = {}


def member(account, service):
    """A client for a service in a member account."""
    return boto3.client(service, **session(account))


def session(account):
    if account not in sessions:
        sessions[account] = fakecloud_admin(account) if ENGINE == "fakecloud" else assumed(account)
    return sessions[account]


def assumed(account):
    role = f"arn:aws:iam::{account}:role/{MEMBER_ROLE}"
    keys = sts.assume_role(RoleArn=role, RoleSessionName="billctl-scenario")["Credentials"]
    return {
        "aws_access_key_id": keys["AccessKeyId"],
        "aws_secret_access_key": keys["SecretAccessKey"],
        "aws_session_token": keys["SessionToken"],
    }


def fakecloud_admin(account):
    """fakecloud makes accounts without that role, and has a call of its own for the first keys in one."""
    request = urllib.request.Request(
        os.environ["AWS_ENDPOINT_URL"] + "/_fakecloud/iam/create-admin",
        json.dumps({"accountId": account, "userName": "billctl-scenario"}).encode(),
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        keys = json.load(answer)
    return {
        "aws_access_key_id": keys["accessKeyId"],
        "aws_secret_access_key": keys["secretAccessKey"],
    }


def wait(until, what):
    """Ask `until` again and again; what it answers once that is true."""
    deadline = time.monotonic() + LONGEST_WAIT
    while not (answer := until()):
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.1)
    return answer


def open(base):
    """An OU of the scenario's own, in an organisation where StackSets may act."""
    try:
        org.describe_organization()
    except org.exceptions.AWSOrganizationsNotInUseException:
        org.create_organization(FeatureSet="ALL")
    org.enable_aws_service_access(ServicePrincipal=STACKSETS)
    try:
        cfn.activate_organizations_access()
    except (ClientError, ResponseParserError) as error:
        # An engine that doesn't have this call doesn't need it either.
        answer = getattr(error, "response", {})
        has_it = answer.get("Error", {}).get("Code") not in ("InvalidAction", "UnknownOperation")
        if has_it and answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 500) < 500:
            raise
    root = org.list_roots()["Roots"][0]["Id"]
    made = org.create_organizational_unit(ParentId=root, Name=base)
    ous[""] = made["OrganizationalUnit"]["Id"]


def add_ou(path):
    parent, _, name = path.rpartition("/")
    made = org.create_organizational_unit(ParentId=ous[parent], Name=name)
    ous[path] = made["OrganizationalUnit"]["Id"]


def add_account(path, name, email):
    request = org.create_account(AccountName=name, Email=email)["CreateAccountStatus"]["Id"]

    def made():
        status = org.describe_create_account_status(CreateAccountRequestId=request)
        status = status["CreateAccountStatus"]
        if status["State"] == "FAILED":
            raise RuntimeError(f"{name}: {status['FailureReason']}")
        return status.get("AccountId") if status["State"] == "SUCCEEDED" else None

    account = wait(made, f"the account {name}")
    move(account, path)
    return account


def move(account, path):
    parent = org.list_parents(ChildId=account)["Parents"][0]["Id"]
    org.move_account(AccountId=account, SourceParentId=parent, DestinationParentId=ous[path])


def suspend(account):
    # Nobody but AWS suspends; a closed account is one for 90 days.
    org.close_account(AccountId=account)


def obstruct(account, role):
    """Take the name of the role that the template makes: a stack can't be created then."""
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ec2.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    if ENGINE == "fakecloud":  # its stacks take over a role that is there, but no alarm
        member(account, "cloudwatch").put_metric_alarm(
            AlarmName=ALARM, Namespace="N", MetricName="M", Statistic="Sum", Period=60,
            EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold",
        )
        return
    iam = member(account, "iam")
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust))


def clear(account, role):
    if ENGINE == "fakecloud":
        member(account, "cloudwatch").delete_alarms(AlarmNames=[ALARM])
        return
    member(account, "iam").delete_role(RoleName=role)


def alarm(account, name):
    found = member(account, "cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return found[0] if found else None


def existing(account, name):
    found = alarm(account, name)
    if found is None:
        raise LookupError(f"{account} has no alarm {name}")
    return found


def edit_alarm(account, name, usd):
    writable = {
        "AlarmName", "AlarmDescription", "ActionsEnabled", "OKActions", "AlarmActions",
        "InsufficientDataActions", "MetricName", "Namespace", "Statistic", "ExtendedStatistic",
        "Dimensions", "Period", "Unit", "EvaluationPeriods", "DatapointsToAlarm", "Threshold",
        "ComparisonOperator", "TreatMissingData", "EvaluateLowSampleCountPercentile", "Metrics",
    }
    there = {key: value for key, value in existing(account, name).items() if key in writable}
    member(account, "cloudwatch").put_metric_alarm(**(there | {"Threshold": usd}))


def delete_alarm(account, name):
    existing(account, name)
    member(account, "cloudwatch").delete_alarms(AlarmNames=[name])


def delegate(account):
    """Make the account a delegated administrator; its credentials, as environment variables."""
    org.register_delegated_administrator(AccountId=account, ServicePrincipal=STACKSETS)
    return {name.upper(): value for name, value in session(account).items()}


def instances(stack_set):
    try:
        pages = cfn.get_paginator("list_stack_instances").paginate(StackSetName=stack_set)
        return [one for page in pages for one in page["Summaries"]]
    except cfn.exceptions.StackSetNotFoundException:
        return []


def threshold(alarm):
    # fakecloud's CloudFormation drops a threshold that is a reference to a parameter; the description has it too.
    if ENGINE == "fakecloud" and "Threshold" not in alarm:
        return float(re.search(r"above ([0-9.]+) USD", alarm["AlarmDescription"])[1])
    return alarm["Threshold"]


def thresholds(stack_set, alarm_name):
    """The threshold in force in each account whose instance is current: as its alarm says,
    or, where the engine's alarms don't tell, as the instance's parameters say."""
    found = {}
    current = [one for one in instances(stack_set) if one["Status"] == "CURRENT"]
    default = None
    for one in current:
        account = one["Account"]
        if alarm_name:
            there = alarm(account, alarm_name)
            if there:
                found[account] = threshold(there)
            continue
        if default is None:
            default = cfn.describe_stack_set(StackSetName=stack_set)["StackSet"]["Parameters"]
        described = cfn.describe_stack_instance(
            StackSetName=stack_set, StackInstanceAccount=account, StackInstanceRegion=one["Region"]
        )["StackInstance"]
        said = {
            parameter["ParameterKey"]: parameter["ParameterValue"]
            for parameter in default + described.get("ParameterOverrides", [])
        }
        found[account] = float(said["Threshold"])
    return found


def operations(stack_set):
    try:
        pages = cfn.get_paginator("list_stack_set_operations").paginate(StackSetName=stack_set)
        return [one for page in pages for one in page["Summaries"]]
    except cfn.exceptions.StackSetNotFoundException:
        return []


def settle(stack_set, account=None):
    """Wait for what AWS does by itself; for an account that comes, a little while."""
    deadline = time.monotonic() + 5
    while account and time.monotonic() < deadline:
        if any(one["Account"] == account for one in instances(stack_set)):
            break
        time.sleep(0.2)
    wait(
        lambda: not any(
            one["Status"] in ("RUNNING", "QUEUED", "STOPPING") for one in operations(stack_set)
        ),
        "the operations",
    )


def count_operations(stack_set):
    return len(operations(stack_set))


ACTIONS = {
    action.__name__: action
    for action in (
        open, add_ou, add_account, move, suspend, obstruct, clear, edit_alarm, delete_alarm,
        delegate, thresholds, settle, count_operations,
    )
}

for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = {"ok": ACTIONS[request.pop("do")](**request)}
    except Exception:
        answer = {"error": traceback.format_exc()}
    print(json.dumps(answer), flush=True)
