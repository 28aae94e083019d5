#!/usr/bin/env python3
"""Runs every case on ministack's Step Functions interpreter as well.

A third JSONata engine (jsonata-python, which ministack uses) and a second
interpreter must make the same calls with the same arguments, and end in the
same way, as the reference engine. The calls themselves are answered from what
the reference recorded, because ministack knows neither Organizations nor SES
v2 as a Step Functions integration.

    node all.mjs > answers.json && python ministack.py answers.json

$NOTIFIER_ASL names the state machine as it is assembled (see reference.mjs).
Needs PyPI's `ministack` and `cbor2`.
"""

import json
import logging
import os
import re
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
# A sibling of this file must not shadow the package of the same name.
sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE]
os.environ.setdefault("MINISTACK_ACCOUNT_ID", "999999999999")

import jsonata  # noqa: E402
import ministack.services.stepfunctions as sfn  # noqa: E402

logging.disable(logging.CRITICAL)

# The case's clock: waits pass on it at once, and $millis() tells it.
clock = {"now": 0}


def pass_time(seconds):
    clock["now"] += int(seconds * 1000)


_register = sfn._register_sfn_jsonata_functions


def register(expression):
    _register(expression)
    expression.register_lambda("millis", lambda: clock["now"])


sfn._scaled_sleep = pass_time
sfn._register_sfn_jsonata_functions = register

# Its second for an expression is one on the wall, which passes in vain on a busy machine.
_compile = jsonata.Jsonata.jsonata
jsonata.Jsonata.jsonata = staticmethod(lambda expression, timeout=None: _compile(expression, timeout=60_000))


def configure(node, config):
    if isinstance(node, str):
        return re.sub(r"\$\{([A-Za-z]+)\}", lambda m: config.get(m[1], m[0]), node)
    if isinstance(node, list):
        return [configure(item, config) for item in node]
    if isinstance(node, dict):
        return {key: configure(value, config) for key, value in node.items()}
    return node


def comparable(arguments):
    """Arguments with the template's data and a chat's message parsed, and the machine's own name left out."""
    text = re.sub(r":stateMachine:[\w-]+", ":stateMachine:x", json.dumps(arguments))
    value = json.loads(text)
    template = value.get("Content", {}).get("Template") if isinstance(value, dict) else None
    if template:
        template["TemplateData"] = json.loads(template["TemplateData"])
    if isinstance(value, dict) and "TopicArn" in value:
        value["Message"] = json.loads(value["Message"])
    return value


def run(machine, name, execution, event, recorded):
    made = []

    def answer(resource, data):
        made.append(data)
        if len(made) > len(recorded):
            raise sfn._ExecutionError("States.TaskFailed", "more calls than the reference made")
        call = recorded[len(made) - 1]
        if call.get("error"):
            raise sfn._ExecutionError(call["error"], call.get("cause") or "")
        return call["result"]

    sfn._invoke_resource = answer
    created = json.loads(sfn._create_state_machine({
        "name": name,
        "definition": json.dumps(machine),
        "roleArn": "arn:aws:iam::999999999999:role/x",
    })[2])
    started = json.loads(sfn._start_execution({
        "stateMachineArn": created["stateMachineArn"],
        "name": execution,
        "input": json.dumps(event),
    })[2])
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        seen = json.loads(sfn._describe_execution({"executionArn": started["executionArn"]})[2])
        if seen["status"] != "RUNNING":
            break
        time.sleep(0.02)
    output = json.loads(seen["output"]) if seen["status"] == "SUCCEEDED" else None
    return {"error": seen.get("error"), "cause": seen.get("cause"), "output": output}, made


def main(answers):
    asset = json.loads(Path(os.environ["NOTIFIER_ASL"]).read_text())
    recorded = json.loads(Path(answers).read_text())
    cases = recorded["cases"]
    different = 0
    for number, (name, reference) in enumerate(cases.items()):
        clock["now"] = reference["clock"]
        machine = configure(asset, {**recorded["config"], **reference["config"]})
        end, made = run(machine, f"case-{number}", reference["execution"], reference["input"], reference["calls"])
        wanted = {key: reference.get(key) for key in ("error", "cause", "output")}
        same = end == wanted and [comparable(m) for m in made] == [comparable(c["arguments"]) for c in reference["calls"]]
        if not same:
            different += 1
            print(f"DIFFERENT {name}\n  ministack: {json.dumps(end)}\n  reference: {json.dumps(wanted)}")
    print(f"{len(cases) - different} of {len(cases)} cases the same on ministack")
    return 1 if different or not cases else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
