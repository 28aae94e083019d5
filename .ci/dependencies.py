#!/usr/bin/env python3
"""What billctl is built from: licences, sources, crates that are ruled out, known faults, and the AWS SDK's age.

Reads `.ci/deny.toml`, so that cargo-deny, where somebody has it, judges by the same rules. Known faults are looked up
in RustSec's advisory database where the machine has a copy: in $ADVISORY_DB, target/advisory-db, or where cargo-deny
and cargo-audit keep theirs. Where there is none, that is said, and nothing is taken for checked.
"""
import datetime
import glob
import json
import os
import re
import subprocess
import sys
import time
import tomllib

OLD_DAYS = 90
CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def licensed(expression, allowed):
    """Whether an SPDX expression can be met by what is allowed: OR is weaker than AND, brackets before both."""
    expression = expression.replace("/", " OR ")
    words = re.findall(r"\(|\)|[^\s()]+(?: WITH \S+(?<!\)))?", expression)

    def either():
        met = both()
        while words and words[0] == "OR":
            words.pop(0)
            met = both() or met
        return met

    def both():
        met = one()
        while words and words[0] == "AND":
            words.pop(0)
            met = one() and met
        return met

    def one():
        word = words.pop(0)
        if word == "(":
            met = either()
            words.pop(0)
            return met
        return word in allowed

    return either()


def number(version):
    return tuple(int(part) for part in re.findall(r"\d+", version.split("-")[0].split("+")[0])[:3])


def fits(version, requirement):
    """Whether a version is in one of Cargo's requirements, as far as advisories use them: `>= 1.2, < 2`, `^1.2`."""
    for part in requirement.split(","):
        operator, wanted = re.match(r"\s*(>=|<=|>|<|=|\^|~)?\s*(\S+)", part).groups()
        have, want = number(version), (number(wanted) + (0, 0, 0))[:3]
        if operator in (None, "^", "~"):
            keep = 1 if operator == "~" else next((i for i, n in enumerate(want) if n), 2)
            met = have >= want and have[: keep + 1] == want[: keep + 1]
        else:
            met = {">=": have >= want, "<=": have <= want, ">": have > want, "<": have < want, "=": have == want}[operator]
        if not met:
            return False
    return True


def advisory_database():
    places = [os.environ.get("ADVISORY_DB", ""), "target/advisory-db"]
    home = os.environ.get("CARGO_HOME", os.path.expanduser("~/.cargo"))
    places += glob.glob(f"{home}/advisory-db*/") + glob.glob(f"{home}/advisory-dbs/*/")
    return next((place for place in places if os.path.isdir(os.path.join(place, "crates"))), None)


def known_faults(packages, database, ignored):
    for package in packages:
        for file in glob.glob(os.path.join(database, "crates", package["name"], "RUSTSEC-*.md")):
            with open(file, encoding="utf-8") as text:
                found = re.search(r"```toml\n(.*?)```", text.read(), re.S)
            advisory = tomllib.loads(found.group(1))
            about, versions = advisory["advisory"], advisory.get("versions", {})
            safe = versions.get("patched", []) + versions.get("unaffected", [])
            if about["id"] in ignored or "withdrawn" in about or about.get("informational") == "notice":
                continue
            if not any(fits(package["version"], requirement) for requirement in safe):
                yield f"{package['name']} {package['version']}: {about['id']} ({about.get('informational', 'vulnerability')})"


def published(name, version):
    """When a version came out, as Cargo's copy of the index says, in seconds since 1970."""
    home = os.environ.get("CARGO_HOME", os.path.expanduser("~/.cargo"))
    folder = {1: "1", 2: "2", 3: f"3/{name[:1]}"}.get(len(name), f"{name[:2]}/{name[2:4]}")
    for file in glob.glob(f"{home}/registry/index/*/.cache/{folder}/{name}"):
        with open(file, "rb") as cached:
            entries = cached.read().split(b"\0")
        for entry in entries:
            if entry.startswith(b"{") and (known := json.loads(entry))["vers"] == version and "pubtime" in known:
                return datetime.datetime.fromisoformat(known["pubtime"]).timestamp()
    return None


def sdk_age(packages, now):
    """Days since the newest of the SDK's crates in Cargo.lock came out, if Cargo's copy of the index says when."""
    sdk = [package for package in packages if package["name"].startswith(("aws-sdk-", "aws-config"))]
    times = [published(package["name"], package["version"]) for package in sdk]
    newest = max((at for at in times if at), default=None)
    return None if newest is None else (now - newest) / 86_400


def of_sdk_age(age):
    """What is said of that age."""
    if age is None:
        return "NOT CHECKED: the AWS SDK's age, for want of times in Cargo's index"
    if age > OLD_DAYS:
        return f"WARNING: the AWS SDK in Cargo.lock came out {age:.0f} days ago: run `cargo update --verbose`, which names " \
            "what newer ones need (rust-version in Cargo.toml holds them back), and the tests"
    return f"the AWS SDK in Cargo.lock came out {age:.0f} days ago"


def main():
    with open(".ci/deny.toml", "rb") as file:
        rules = tomllib.load(file)
    metadata = json.loads(output("cargo", "metadata", "--format-version", "1", "--locked", "--all-features"))
    packages = [package for package in metadata["packages"] if package["source"]]
    allowed = set(rules["licenses"]["allow"])
    denied = {entry["crate"] for entry in rules["bans"]["deny"]}
    wrong = []
    for package in packages:
        what = f"{package['name']} {package['version']}"
        if package["source"] != CRATES_IO:
            wrong.append(f"{what}: comes from {package['source']}")
        if package["name"] in denied:
            wrong.append(f"{what}: is ruled out by .ci/deny.toml")
        if not licensed(package["license"] or "none", allowed):
            wrong.append(f"{what}: licence {package['license']} isn't allowed by .ci/deny.toml")
    print(f"{len(packages)} crates: licences, sources and bans looked at")
    database = advisory_database()
    if database:
        wrong += known_faults(packages, database, set(rules["advisories"].get("ignore", [])))
        print(f"known faults looked up in {database}")
    else:
        print("NOT CHECKED: known faults (RustSec). This machine has no copy of the advisory database and can't fetch one;")
        print("  with network: git clone https://github.com/RustSec/advisory-db target/advisory-db, and run this again")
    print(of_sdk_age(sdk_age(packages, time.time())))
    for line in wrong:
        print(f"error: {line}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
