"""Run one emulator until standard input closes.

    python serve.py ministack PORT
    python serve.py moto PORT
    python serve.py pager PORT     (in front of the ministack that PAGER_UPSTREAM names)

The tests hold the other end of standard input: however the test process ends, even
by a kill, the pipe closes and the emulator ends with it. Both emulators take a
12-digit access key as the account id, so every test is a tenant of its own.
"""

import base64
import datetime
import http.client
import http.server
import io
import json
import os
import re
import sys
import threading

import cbor2

GRANITE = "GraniteServiceVersion20100801"


def end_with_stdin():
    """End this process as soon as the parent's end of the pipe is gone."""

    def watch():
        while sys.stdin.buffer.read(4096):
            pass
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def serve_ministack(port):
    os.environ["GATEWAY_PORT"] = port
    os.environ["BIND_HOST"] = "127.0.0.1"
    # Its MQTT listener would bind a fixed port on every interface.
    os.environ["IOT_MTLS_ENABLED"] = "0"
    os.environ["SFTP_ENABLED"] = "0"
    from ministack.app import main

    sys.argv = ["ministack"]
    main()


def serve_moto(port):
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import run_simple

    delete_by_ou()
    refuse_a_name_twice()
    os.environ["MOTO_PORT"] = port
    app = Tenants(CloudWatchCbor(Unimplemented(DomainDispatcherApplication(create_backend_app))))
    run_simple(
        "127.0.0.1",
        int(port),
        app,
        threaded=True,
        use_reloader=False,
        request_handler=MotoRequestHandler,
    )


def delete_by_ou():
    """Let DeleteStackInstances find its accounts by OU, as moto's own CreateStackInstances does."""
    from moto.cloudformation.responses import CloudFormationResponse

    original = CloudFormationResponse.delete_stack_instances

    def delete_stack_instances(self):
        units = (self._get_param("DeploymentTargets") or {}).get("OrganizationalUnitIds", [])
        if units:
            stack_set = self.cloudformation_backend.describe_stack_set(self._get_param("StackSetName"))
            organization = stack_set.instances.org_backend
            units = units + [ou.id for ou in organization.ou if ou.parent_id in units]
            accounts = [account.id for account in organization.accounts if account.parent_id in units]
            get = self._get_param
            self._get_param = lambda name, *rest: accounts if name == "Accounts" else get(name, *rest)
        return original(self)

    CloudFormationResponse.delete_stack_instances = delete_stack_instances


def refuse_a_name_twice():
    """Let CreateStackSet refuse a name that is taken, as AWS does: a call whose answer was lost is sent again."""
    from moto.cloudformation.exceptions import CloudFormationError
    from moto.cloudformation.models import CloudFormationBackend

    class NameAlreadyExistsException(CloudFormationError):
        code = "NameAlreadyExistsException"

    original = CloudFormationBackend.create_stack_set

    def create_stack_set(self, name, *rest, **named):
        if any(known.name == name and known.status != "DELETED" for known in self.stacksets.values()):
            raise NameAlreadyExistsException(f"StackSet {name} already exists")
        return original(self, name, *rest, **named)

    CloudFormationBackend.create_stack_set = create_stack_set


class Tenants:
    """Make a 12-digit access key the account, by moto's own header for that.

    Other keys (of users on an enforcing ministack) are made known by GET /_tenant/KEY/ACCOUNT.
    """

    KEY = re.compile(r"Credential=(\w+)/")
    KNOWN = re.compile(r"/_tenant/(\w+)/(\d{12})$")

    def __init__(self, app):
        self.app = app
        self.accounts = {}

    def __call__(self, environ, start_response):
        known = self.KNOWN.match(environ.get("PATH_INFO", ""))
        if known:
            self.accounts[known.group(1)] = known.group(2)
            start_response("200 OK", [("Content-Length", "0")])
            return [b""]
        key = self.KEY.search(environ.get("HTTP_AUTHORIZATION", ""))
        if key:
            account = self.accounts.get(key.group(1), key.group(1))
            if account.isdigit() and len(account) == 12:
                environ["HTTP_X_MOTO_ACCOUNT_ID"] = account
        return self.app(environ, start_response)


class Unimplemented:
    """Refuse what moto doesn't implement as AWS refuses an operation that it doesn't know.

    moto answers it with its server's page for any exception, HTTP 500, as AWS's load balancers do for
    trouble that passes: billctl would try again for a minute.
    """

    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start_response):
        answer = {}

        def remember(status, headers, exc_info=None):
            answer.update(status=status, headers=headers)
            return lambda data: None

        # The page is the server's, for an exception that comes through here.
        try:
            payload = b"".join(self.app(environ, remember))
            start_response(answer["status"], answer["headers"])
            return [payload]
        except Exception as error:
            print(f"moto: {error!r}", file=sys.stderr)
        message = "moto doesn't implement it"
        if environ.get("HTTP_X_AMZ_TARGET"):
            kind = "application/x-amz-json-1.1"
            payload = json.dumps({"__type": "UnknownOperationException", "message": message}).encode()
        else:
            kind = "text/xml"
            payload = (
                "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidAction</Code>"
                f"<Message>{message}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
            ).encode()
        start_response("400 Bad Request", [("Content-Type", kind), ("Content-Length", str(len(payload)))])
        return [payload]


class CloudWatchCbor:
    """Let moto, which speaks CloudWatch in AWS JSON, be called in Smithy RPC v2 CBOR.

    Today's SDKs speak only the latter. Requests and answers are translated field by
    field after botocore's model of the service; what they say is moto's.
    """

    def __init__(self, app):
        import botocore.session

        self.app = app
        self.model = botocore.session.get_session().get_service_model("cloudwatch")

    def __call__(self, environ, start_response):
        prefix = f"/service/{GRANITE}/operation/"
        path = environ.get("PATH_INFO", "")
        if not path.startswith(prefix):
            return self.app(environ, start_response)

        operation = path[len(prefix) :]
        length = int(environ.get("CONTENT_LENGTH") or 0)
        request = cbor2.loads(environ["wsgi.input"].read(length)) if length else {}
        body = json.dumps(request, default=to_json).encode()
        environ = dict(environ)
        environ.update(
            {
                "PATH_INFO": "/",
                "RAW_URI": "/",
                "REQUEST_URI": "/",
                "CONTENT_TYPE": "application/x-amz-json-1.0",
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_X_AMZ_TARGET": f"{GRANITE}.{operation}",
                "wsgi.input": io.BytesIO(body),
            }
        )
        answer = {}

        def remember(status, headers, exc_info=None):
            answer.update(status=status, headers=headers)
            return lambda data: None

        chunks = self.app(environ, remember)
        payload = b"".join(chunks)
        status, headers = answer["status"], answer["headers"]
        try:
            value = json.loads(payload) if payload else {}
        except ValueError:  # an HTML error page: leave it as it is
            start_response(status, headers)
            return [payload]
        if status.startswith("2"):
            value = to_shape(value, self.model.operation_model(operation).output_shape)
        payload = cbor2.dumps(value)
        kept = [(k, v) for k, v in headers if k.lower() not in ("content-type", "content-length")]
        start_response(
            status,
            kept
            + [
                ("Content-Type", "application/cbor"),
                ("smithy-protocol", "rpc-v2-cbor"),
                ("Content-Length", str(len(payload))),
            ],
        )
        return [payload]


class Pager(http.server.BaseHTTPRequestHandler):
    """CloudWatch's answers in pages, which ministack doesn't know.

    As AWS does: a page holds so many metrics or datapoints and NextToken asks for the rest; a
    series can end in the middle of a page and go on in the next; a page can be empty and still
    have a successor (here the first of ListMetrics). What the answers say is ministack's.
    """

    protocol_version = "HTTP/1.1"
    upstream = ""
    # Small, so that a test needs few datapoints for many pages.
    METRICS = 4
    DATAPOINTS = 7
    LISTS = {"ListMetrics": "Metrics", "GetMetricData": "MetricDataResults"}

    def do_GET(self):
        self.forward()

    def do_POST(self):
        self.forward()

    def forward(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        operation = self.path.rpartition("/operation/")[2]
        token = None
        if operation in self.LISTS:
            request = cbor2.loads(body)
            token = request.pop("NextToken", None)
            body = cbor2.dumps(request)
        connection = http.client.HTTPConnection(self.upstream)
        skipped = ("host", "content-length", "connection")
        headers = {k: v for k, v in self.headers.items() if k.lower() not in skipped}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        payload = answer.read()
        if operation in self.LISTS and answer.status == 200:
            payload = cbor2.dumps(self.page(operation, cbor2.loads(payload), int(token or 0)))
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def page(self, operation, answer, skip):
        if operation == "ListMetrics":
            metrics = answer["Metrics"]
            # The first page is empty.
            start = max(0, skip - 1)
            end = start + self.METRICS if skip else 0
            answer["Metrics"] = metrics[start:end]
            if end < len(metrics):
                answer["NextToken"] = str(end + 1)
            return answer
        room, left, results = self.DATAPOINTS, skip, []
        more = False
        for result in answer["MetricDataResults"]:
            points = list(zip(result["Timestamps"], result["Values"]))
            there = len(points)
            points, left = points[left:], max(0, left - there)
            shown, points = points[:room], points[room:]
            room -= len(shown)
            result["Timestamps"] = [cbor2.CBORTag(1, at.timestamp()) for at, _ in shown]
            result["Values"] = [value for _, value in shown]
            if points:
                more = True
                result["StatusCode"] = "PartialData"
            if shown or not there:
                results.append(result)
        answer["MetricDataResults"] = results
        if more:
            answer["NextToken"] = str(skip + self.DATAPOINTS)
        return answer

    def log_message(self, *_):
        pass


def serve_pager(port):
    Pager.upstream = os.environ["PAGER_UPSTREAM"].removeprefix("http://")
    http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Pager).serve_forever()


def to_json(value):
    """What CBOR has and JSON has not."""
    if isinstance(value, datetime.datetime):
        return value.timestamp()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"no JSON form of {type(value).__name__}")


def to_shape(value, shape):
    """The JSON value as the type that the service's model gives it."""
    if shape is None or value is None:
        return value
    if shape.type_name == "structure":
        return {
            k: to_shape(v, shape.members[k])
            for k, v in value.items()
            if k in shape.members and v is not None
        }
    if shape.type_name == "list":
        return [to_shape(v, shape.member) for v in value]
    if shape.type_name == "map":
        return {k: to_shape(v, shape.value) for k, v in value.items()}
    if shape.type_name == "timestamp":
        # Tag 1 is the epoch; the protocol wants it as a floating-point number.
        return cbor2.CBORTag(1, float(value))
    if shape.type_name in ("double", "float"):
        return float(value)
    return value


if __name__ == "__main__":
    end_with_stdin()
    serve = {"ministack": serve_ministack, "moto": serve_moto, "pager": serve_pager}
    serve[sys.argv[1]](sys.argv[2])
