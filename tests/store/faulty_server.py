"""An S3 and HTTP server in one process that fails on command, for the tests of the network stores. Needs nothing else.

    python3 faulty_server.py COMMAND [ARGUMENT...]

starts it on two free ports of 127.0.0.1 (the second is "another host" to the first), runs COMMAND with their addresses
in the environment (FAULTY, FAULTY_OTHER), and ends with its exit status.

Objects lie in memory below /BUCKET/KEY. An object that nobody has put exists all the same when its last path element is
"data-SIZE": byte i of it is (i * 2654435761 >> 13) & 255. What goes wrong stands in the first element of the key, as
"fault.NAME[.NUMBER]": NUMBER is how many requests of a kind fail (none: all). Everything that was asked is in GET /_log
(one JSON object a line), and /_reset forgets log, counters and objects.

Requests to bucket "anon" must be unsigned, those to other buckets must carry a valid AWS signature of a key in KEYS;
paths below /http/ want neither. The server also plays STS (POST /), a container's and an instance's metadata service
and single sign-on."""

import base64
import datetime
import hashlib
import hmac
import http.server
import json
import os
import random
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.parse
import zlib

KEYS = {
    "testkey": "testsecret/with+odd=signs",
    "ROLEKEY": "rolesecret",
    "WEBKEY": "websecret",
    "BOXKEY": "boxsecret",
    "EC2KEY": "ec2secret",
}
TOKENS = {"ROLEKEY": "role-token", "WEBKEY": "web-token", "BOXKEY": "box-token", "EC2KEY": "ec2-token"}
NS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
LOCK = threading.Lock()
STATE = {"objects": {}, "uploads": {}, "log": [], "count": {}, "fetches": {}, "lifetime": 3600}


PERIOD = bytes((i * 2654435761 >> 13) & 255 for i in range(1 << 21))  # only 21 bits of the product count


def pattern(size):
    return (PERIOD * (size // len(PERIOD) + 1))[:size]


CACHE = {}


def content(key):
    with LOCK:
        if key in STATE["objects"]:
            return STATE["objects"][key]
    name = key.rsplit("/", 1)[-1].split("?")[0]
    if name.startswith("data-"):
        size = int(name[5:])
        if size not in CACHE:
            CACHE[size] = pattern(size)
        return CACHE[size]
    return None


def xml_escape(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class Faults:
    """What the key says is to go wrong."""

    def __init__(self, key):
        first = key.split("/", 1)[0].split(".")
        self.name = first[1] if first[0] == "fault" and len(first) > 1 else ""
        self.number = int(first[2]) if len(first) > 2 else None
        self.key = key

    def now(self, name, kind=""):
        """Does this request fail by `name`? Counts it."""
        if self.name != name:
            return False
        with LOCK:
            at = (self.key, name, kind)
            STATE["count"][at] = STATE["count"].get(at, 0) + 1
            return self.number is None or STATE["count"][at] <= self.number


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "faulty"

    def log_message(self, *args):
        pass

    # --- answers ----------------------------------------------------------------------------------------------

    def answer(self, status, body=b"", headers=(), length=None, close=False):
        if isinstance(body, str):
            body = body.encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("x-amz-request-id", "REQ0123456789")
        self.send_header("x-amz-id-2", "HOST/ID+abc=")
        if length is None or length >= 0:
            self.send_header("Content-Length", str(len(body) if length is None else length))
        if close:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
            self.wfile.flush()

    def error(self, status, code, message="it did not work", extra="", headers=()):
        body = '<?xml version="1.0" encoding="UTF-8"?>\n'
        body += f"<Error><Code>{code}</Code><Message>{xml_escape(message)}</Message>{extra}</Error>"
        self.answer(status, b"" if self.command == "HEAD" else body, [("Content-Type", "application/xml"), *headers])

    def hang_up(self, reset=False):
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        try:
            if not reset:
                self.connection.shutdown(socket.SHUT_RDWR)
            self.connection.close()
        except OSError:
            pass
        raise ConnectionAbortedError

    # --- signatures -------------------------------------------------------------------------------------------

    def signature_error(self, bucket):
        auth = self.headers.get("Authorization")
        if bucket == "anon":
            return None if auth is None else ("AccessDenied", "this bucket is for the unsigned")
        if auth is None:
            return ("AccessDenied", "Anonymous access is forbidden")
        fields = dict(part.strip().split("=", 1) for part in auth.split(" ", 1)[1].split(","))
        access, day, region, service, _ = fields["Credential"].split("/")
        if access not in KEYS:
            return ("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
        if TOKENS.get(access) is not None and self.headers.get("x-amz-security-token") != TOKENS[access]:
            return ("InvalidToken", "The provided token is malformed or otherwise invalid.")
        path, _, query = self.path.partition("?")
        names = fields["SignedHeaders"].split(";")
        assert names == sorted(names)
        assert "host" in names
        assert query == "&".join(sorted(query.split("&"))) if query else True
        canon = "\n".join(
            [
                self.command,
                path,
                query,
                *[f"{n}:{' '.join((self.headers.get(n) or '').split())}" for n in names],
                "",
                ";".join(names),
                self.headers["x-amz-content-sha256"],
            ]
        )
        date = self.headers["x-amz-date"]
        digest = hashlib.sha256(canon.encode("latin-1")).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{date}\n{day}/{region}/{service}/aws4_request\n{digest}"
        key = ("AWS4" + KEYS[access]).encode()
        for part in (day, region, service, "aws4_request", text):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        if key.hex() != fields["Signature"]:
            return ("SignatureDoesNotMatch", "The request signature we calculated does not match")
        claimed = self.headers["x-amz-content-sha256"]
        if claimed != "UNSIGNED-PAYLOAD" and claimed != hashlib.sha256(self.body).hexdigest():
            return ("XAmzContentSHA256Mismatch", "the body is not what was signed")
        for name, crc in (("x-amz-checksum-crc32", lambda d: struct.pack(">I", zlib.crc32(d))),):
            if self.headers.get(name) and base64.b64decode(self.headers[name]) != crc(self.body):
                return ("BadDigest", "checksum")
        if (
            self.headers.get("Content-MD5")
            and base64.b64decode(self.headers["Content-MD5"]) != hashlib.md5(self.body).digest()
        ):
            return ("BadDigest", "md5")
        return None

    def signed_region(self):
        auth = self.headers.get("Authorization") or ""
        return auth.split("Credential=", 1)[1].split("/")[2] if "Credential=" in auth else ""

    # --- requests ---------------------------------------------------------------------------------------------

    def handle_any(self):
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        path = self.path.partition("?")[0]
        if path == "/_log":
            with LOCK:
                text = "".join(json.dumps(entry) + "\n" for entry in STATE["log"])
            return self.answer(200, text)
        if path == "/_reset":
            with LOCK:
                for name in ("objects", "uploads", "count", "fetches"):
                    STATE[name].clear()
                STATE["log"].clear()
                STATE["lifetime"] = int(urllib.parse.parse_qs(self.path.partition("?")[2]).get("lifetime", ["3600"])[0])
            return self.answer(200, "ok")
        with LOCK:
            STATE["log"].append(
                {
                    "port": self.server.server_port,
                    "method": self.command,
                    "path": self.path,
                    "headers": {k.lower(): v for k, v in self.headers.items()},
                }
            )
        if path.startswith(("/latest/", "/creds")) or (path == "/" and self.command == "POST"):
            return self.identity(path)
        if path.startswith("/http/"):
            return self.plain(urllib.parse.unquote(path[6:]))
        bucket, _, key = path[1:].partition("/")
        key = urllib.parse.unquote(key)
        return self.s3(bucket, key)

    def do(self):
        try:
            self.handle_any()
        except (ConnectionError, BrokenPipeError, TimeoutError):
            self.close_connection = True

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do

    # --- identities -------------------------------------------------------------------------------------------

    def keys_json(self, access, **more):
        with LOCK:
            STATE["fetches"][access] = STATE["fetches"].get(access, 0) + 1
            life = STATE["lifetime"]
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=life)
        return {
            "AccessKeyId": access,
            "SecretAccessKey": KEYS[access],
            "Token": TOKENS[access],
            "Expiration": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
            **more,
        }

    def identity(self, path):
        if path == "/latest/api/token":
            if self.command != "PUT" or "x-aws-ec2-metadata-token-ttl-seconds" not in self.headers:
                return self.answer(405)
            return self.answer(200, "imds-session")
        if path.startswith("/latest/meta-data/iam/security-credentials/"):
            if self.headers.get("x-aws-ec2-metadata-token") != "imds-session":
                return self.answer(401)
            if path.endswith("/security-credentials/"):
                return self.answer(200, "the-role\n")
            return self.answer(200, json.dumps(self.keys_json("EC2KEY", Code="Success")))
        if path == "/creds/box":
            if self.headers.get("Authorization") != "box-authorization":
                return self.answer(401, "no")
            return self.answer(200, json.dumps(self.keys_json("BOXKEY")))
        if path == "/creds/sso/federation/credentials":
            if (
                self.headers.get("x-amz-sso_bearer_token") != "sso-login-token"
                or "role_name=a%20role&account_id=123" not in self.path
            ):
                return self.answer(401, "{}")
            keys = self.keys_json("WEBKEY")
            return self.answer(
                200,
                json.dumps(
                    {
                        "roleCredentials": {
                            "accessKeyId": "WEBKEY",
                            "secretAccessKey": keys["SecretAccessKey"],
                            "sessionToken": keys["Token"],
                            "expiration": int(time.time() + 3600) * 1000,
                        }
                    }
                ),
            )
        if path == "/creds/broken":
            return self.answer(200, '{"AccessKeyId": "x", "SecretAccessKey": 7}')
        form = {k: v[0] for k, v in urllib.parse.parse_qs(self.body.decode()).items()}
        access = "WEBKEY" if form.get("Action") == "AssumeRoleWithWebIdentity" else "ROLEKEY"
        if access == "ROLEKEY" and "Authorization" not in self.headers:
            return self.sts_error("MissingAuthenticationToken", "Request is missing Authentication Token")
        if access == "WEBKEY" and form.get("WebIdentityToken") != "web-identity-token":
            return self.sts_error("InvalidIdentityToken", "that is not the token")
        if form.get("RoleArn", "").endswith("/forbidden"):
            return self.sts_error("AccessDenied", "not authorized to perform: sts:AssumeRole")
        if form.get("RoleArn", "").endswith("/external") and form.get("ExternalId") != "the-external-id":
            return self.sts_error("AccessDenied", "external id is missing")
        keys = self.keys_json(access)
        action = form["Action"]
        return self.answer(
            200,
            f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result><Credentials>'
            f"<AccessKeyId>{keys['AccessKeyId']}</AccessKeyId><SecretAccessKey>{keys['SecretAccessKey']}</SecretAccessKey>"
            f"<SessionToken>{keys['Token']}</SessionToken><Expiration>{keys['Expiration']}</Expiration></Credentials></{action}Result></{action}Response>",
        )

    def sts_error(self, code, message):
        self.answer(
            403,
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>sts-request</RequestId></ErrorResponse>",
        )

    # --- plain HTTP -------------------------------------------------------------------------------------------

    def plain(self, key):
        fault = Faults(key)
        other = self.server.other
        if fault.name == "redirect":
            return self.answer(302, headers=[("Location", self.path.replace("fault.redirect/", "plain/"))])
        if fault.name == "elsewhere":
            return self.answer(
                307,
                headers=[("Location", f"http://127.0.0.1:{other}{self.path.replace('fault.elsewhere/', 'plain/')}")],
            )
        if fault.name == "loop":
            return self.answer(302, headers=[("Location", self.path)])
        if fault.name == "toftp":
            return self.answer(302, headers=[("Location", "ftp://127.0.0.1/x")])
        if fault.name == "nowhere":
            return self.answer(302)
        if (
            fault.name == "secret"
            and self.headers.get("Authorization") != "Basic " + base64.b64encode(b"user:pass:word%").decode()
        ):
            return self.answer(401, f"you sent {self.headers.get('Authorization')}", [("WWW-Authenticate", "Basic")])
        if fault.name == "bearer" and self.headers.get("Authorization") != "Bearer the-bearer-token":
            return self.answer(401)
        if fault.name == "presigned" and (self.command == "HEAD" or "signature=sesame" not in self.path):
            return self.answer(403)
        data = content(key)
        if data is None:
            return self.answer(404, "nothing there")
        return self.give(fault, key, data)

    # --- S3 ---------------------------------------------------------------------------------------------------

    def s3(self, bucket, key):
        fault = Faults(key)
        query = urllib.parse.parse_qs(self.path.partition("?")[2], keep_blank_values=True)
        wrong = self.signature_error(bucket)
        if bucket == "nobucket":
            return self.error(404, "NoSuchBucket", "The specified bucket does not exist")
        if bucket == "faraway" and self.signed_region() != "eu-west-9":
            if self.command == "HEAD":
                return self.answer(400, headers=[("x-amz-bucket-region", "eu-west-9")])
            return self.error(
                400,
                "AuthorizationHeaderMalformed",
                "the region 'us-east-1' is wrong; expecting 'eu-west-9'",
                "<Region>eu-west-9</Region>",
            )
        if bucket == "later":
            sent = datetime.datetime.strptime(self.headers["x-amz-date"], "%Y%m%dT%H%M%SZ")
            there = datetime.datetime.utcnow() + datetime.timedelta(hours=1)
            if abs((there - sent).total_seconds()) > 900:
                self.later = there
                return self.error(
                    403,
                    "RequestTimeTooSkewed",
                    "The difference between the request time and the server's time is too large.",
                )
        if wrong is not None:
            return self.error(403, *wrong)
        if fault.now("busy", self.command):
            return self.error(503, "SlowDown", "Please reduce your request rate.", headers=[("Retry-After", "0")])
        if fault.now("patience"):
            return self.error(503, "SlowDown", "Please reduce your request rate.", headers=[("Retry-After", "1")])
        if fault.now("broken", self.command):
            return self.error(500, "InternalError", "We encountered an internal error. Please try again.")
        if fault.now("silent", self.command):
            self.hang_up()
        if fault.now("denied"):
            return self.error(
                403,
                "AccessDenied",
                f"you sent {self.headers.get('Authorization')} and {self.headers.get('x-amz-security-token')}",
            )
        if fault.now("expired"):
            return self.error(400, "ExpiredToken", "The provided token has expired.")
        if fault.now("elsewhere"):
            return self.error(
                307,
                "TemporaryRedirect",
                "go away",
                headers=[("Location", f"http://127.0.0.1:{self.server.other}{self.path}")],
            )
        if fault.now("nohead") and self.command == "HEAD":
            return self.answer(405)
        if key == "" and "delete" in query:
            return self.delete_many()
        if key == "":
            return self.list_objects(bucket, query)
        return getattr(self, "s3_" + self.command.lower())(fault, key, query)

    def date_time_string(self, timestamp=None):
        there = getattr(self, "later", None)
        return super().date_time_string(timestamp) if there is None else there.strftime("%a, %d %b %Y %H:%M:%S GMT")

    def s3_get(self, fault, key, query):
        data = content(key)
        if data is None:
            return self.error(404, "NoSuchKey", "The specified key does not exist.")
        return self.give(fault, key, data)

    s3_head = s3_get

    @staticmethod
    def etag(data, salt=""):
        return '"' + hashlib.md5(data[:4096] + str(len(data)).encode() + salt.encode()).hexdigest() + '"'

    def s3_put(self, fault, key, query):
        if "uploadId" in query:
            with LOCK:
                upload = STATE["uploads"].get(query["uploadId"][0])
                if upload is not None:
                    upload[int(query["partNumber"][0])] = self.body
            if upload is None:
                return self.error(404, "NoSuchUpload", "The specified upload does not exist.")
            return self.answer(200, headers=[("ETag", '"' + hashlib.md5(self.body).hexdigest() + '"')])
        if fault.now("nochecksum") and any(name.startswith("x-amz-checksum-") for name in self.headers):
            return self.error(
                501, "NotImplemented", "A header you provided implies functionality that is not implemented"
            )
        if fault.now("conflict"):
            return self.error(409, "ConditionalRequestConflict", "another write is under way")
        status = self.write(key, self.body)
        if status != 200:
            return self.error(status, {412: "PreconditionFailed", 404: "NoSuchKey"}[status])
        if fault.now("lost"):
            self.hang_up()
        if fault.now("late500"):
            return self.error(500, "InternalError", "written all the same")
        return self.answer(200, headers=[("ETag", self.etag(self.body))])

    def write(self, key, data):
        with LOCK:
            there = STATE["objects"].get(key)
            if self.headers.get("If-None-Match") == "*" and there is not None:
                return 412
            if self.headers.get("If-Match") is not None:
                if there is None:
                    return 404
                if self.headers["If-Match"] != self.etag(there):
                    return 412
            STATE["objects"][key] = data
            return 200

    def s3_delete(self, fault, key, query):
        with LOCK:
            if "uploadId" in query:
                STATE["uploads"].pop(query["uploadId"][0], None)
            else:
                STATE["objects"].pop(key, None)
        return self.answer(204)

    def s3_post(self, fault, key, query):
        if "uploads" in query:
            with LOCK:
                upload = f"up/load+{len(STATE['uploads'])}=="
                STATE["uploads"][upload] = {}
            return self.answer(
                200,
                f"<InitiateMultipartUploadResult {NS}><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>",
            )
        with LOCK:
            parts = STATE["uploads"].get(query["uploadId"][0])
        if parts is None:
            return self.error(404, "NoSuchUpload", "The specified upload does not exist.")
        if fault.now("inside"):
            return self.answer(
                200, '<?xml version="1.0"?>\n  \n <Error><Code>InternalError</Code><Message>late</Message></Error>'
            )
        data = b"".join(parts[n] for n in sorted(parts))
        status = self.write(key, data)
        if status != 200:
            return self.error(status, {412: "PreconditionFailed", 404: "NoSuchKey"}[status])
        sums = b"".join(hashlib.md5(parts[n]).digest() for n in sorted(parts))
        etag = f'"{hashlib.md5(sums).hexdigest()}-{len(parts)}"'
        with LOCK:
            STATE["uploads"].pop(query["uploadId"][0])
            STATE.setdefault("etags", {})[key] = etag
        if fault.now("lostclose"):
            self.hang_up()
        return self.answer(
            200, f"<CompleteMultipartUploadResult {NS}><ETag>{xml_escape(etag)}</ETag></CompleteMultipartUploadResult>"
        )

    def delete_many(self):
        import xml.etree.ElementTree as tree

        keys = [e.text or "" for e in tree.fromstring(self.body).iter("{http://s3.amazonaws.com/doc/2006-03-01/}Key")]
        failed = ""
        with LOCK:
            for key in keys:
                if key.startswith("fault.keep"):
                    failed += f"<Error><Key>{xml_escape(key)}</Key><Code>AccessDenied</Code>"
                    failed += "<Message>it stays</Message></Error>"
                else:
                    STATE["objects"].pop(key, None)
            if any(key.startswith("fault.nobatch") for key in keys):
                failed = None
        if failed is None:
            return self.error(501, "NotImplemented", "no batches here")
        return self.answer(200, f"<DeleteResult {NS}>{failed}</DeleteResult>")

    def list_objects(self, bucket, query):
        prefix = query.get("prefix", [""])[0]
        fault = Faults(prefix)
        entry = (
            "<Contents><Key>%s</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            "<ETag>&quot;e&quot;</ETag><Size>%s</Size></Contents>"
        )
        begin = f"<ListBucketResult {NS}><IsTruncated>%s</IsTruncated>"
        bad = {
            "doctype": '<!DOCTYPE x [<!ENTITY a "b">]>' + begin % "false" + entry % ("&a;", 1) + "</ListBucketResult>",
            "deep": begin % "false" + "<a>" * 100000 + "</ListBucketResult>",
            "cut": begin % "false" + entry % (prefix + "a", 1) + "<Contents><Ke",
            "foreign": begin % "false" + entry % ("somewhere/else", 1) + "</ListBucketResult>",
            "size": begin % "false" + entry % (prefix + "a", "99999999999999999999999") + "</ListBucketResult>",
            "notoken": begin % "true" + entry % (prefix + "a", 1) + "</ListBucketResult>",
            "html": "<html><body>Please log in</body></html>",
            "nothing": "",
            "nul": begin % "false"
            + "<EncodingType>url</EncodingType>"
            + entry % (prefix + "%00", 1)
            + "</ListBucketResult>",
            "circle": begin % "true"
            + "<NextContinuationToken>round</NextContinuationToken>"
            + entry % (prefix + "a", 1)
            + "</ListBucketResult>",
            "entity": begin % "false" + entry % (prefix + "&nosuch;", 1) + "</ListBucketResult>",
        }
        if fault.name in bad:
            return self.answer(200, bad[fault.name])
        with LOCK:
            keys = sorted((k for k in STATE["objects"] if k.startswith(prefix)), key=lambda k: k.encode())
        after = query.get("continuation-token", query.get("start-after", [""]))[0]
        keys = [k for k in keys if k.encode() > after.encode()]
        most = int(query.get("max-keys", ["1000"])[0])
        page, more = keys[:most], len(keys) > most
        items = "".join(entry % (urllib.parse.quote_plus(k, safe="/"), len(STATE["objects"][k])) for k in page)
        token = f"<NextContinuationToken>{xml_escape(page[-1])}</NextContinuationToken>" if more else ""
        return self.answer(
            200,
            begin % ("true" if more else "false")
            + items
            + token
            + "<EncodingType>url</EncodingType></ListBucketResult>",
        )

    # --- giving an object's bytes -----------------------------------------------------------------------------

    def wanted(self, size):
        text = self.headers.get("Range")
        if text is None or not text.startswith("bytes="):
            return None
        first, _, last = text[6:].partition("-")
        if first == "":
            return (max(0, size - int(last)), size - 1) if size > 0 else (1, 0)
        return (int(first), min(int(last) if last else size - 1, size - 1))

    def chaos(self, key):
        """One trouble or none, at random, but the same in each run."""
        with LOCK:
            STATE["count"][key] = STATE["count"].get(key, 0) + 1
            dice = random.Random(f"{key} {STATE['count'][key]}")
        names = [
            "cut.9999",
            "reset.9999",
            "busy",
            "broken",
            "short",
            "norange",
            "chunked",
            "liefirst.9999",
            "lietotal.9999",
        ]
        names += ["norangeline.9999", "garbledrange.9999", "longer", "flip", "drop", "weak", "facts", "cutchunks"]
        name = dice.choice([*names, *["fine"] * len(names)])
        if name == "busy":
            self.error(503, "SlowDown", headers=[("Retry-After", "0")])
        elif name == "broken":
            self.error(500, "InternalError")
        return None if name in ("busy", "broken") else Faults(f"fault.{name}/chaos")

    def give(self, fault, key, data):
        if fault.name == "chaos" and self.command == "GET":
            fault = self.chaos(key)
            if fault is None:
                return None
        etag = STATE.get("etags", {}).get(key) or self.etag(data)
        headers = [("ETag", etag), ("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT"), ("Accept-Ranges", "bytes")]
        condition = self.headers.get("If-Match")
        if fault.name == "flip":
            with LOCK:
                STATE["count"][key] = STATE["count"].get(key, 0) + 1
                turn = STATE["count"][key]
            headers[0] = ("ETag", self.etag(data, str(turn)))
            condition = None
        if fault.name == "grow" and self.command == "GET":
            data = data + b"more"
            condition = None
        if fault.name in ("noetag", "facts", "cutbare", "shortbare"):
            headers = headers[1:] if fault.name == "facts" else []
            condition = None
        if fault.name == "drop" and self.command == "GET":
            headers, condition = [], None
        if fault.name == "weak":
            headers[0] = ("ETag", "W/" + etag)
        if fault.name == "gzip":
            headers.append(("Content-Encoding", "gzip"))
        if condition is not None and condition != etag:
            return self.error(
                412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"
            )
        if self.command == "HEAD":
            return self.answer(200, headers=headers, length=len(data) if fault.name != "nolength" else -1)
        span = None if fault.name in ("norange", "chunked", "endless") else self.wanted(len(data))
        status, body = 200, data
        if span is not None:
            if span[0] > span[1]:
                return self.error(
                    416,
                    "InvalidRange",
                    "The requested range is not satisfiable",
                    headers=[("Content-Range", f"bytes */{len(data)}")] if fault.name != "untold" else [],
                )
            status, body = 206, data[span[0] : span[1] + 1]
            first, last, total = span[0], span[1], len(data)
            if fault.now("liefirst"):
                first, last = first + 1, last + 1
            if fault.now("lietotal"):
                total += 5
            if fault.name in ("short", "shortbare") and len(body) > 1000:
                body = body[:1000]
                last = first + 999
            line = f"bytes {first}-{last}/{total}"
            if fault.now("norangeline"):
                line = None
            if fault.now("garbledrange"):
                line = "bytes 0-18446744073709551616/5"
            if line is not None:
                headers.append(("Content-Range", line))
        if fault.now("flipbit") and body:
            body = bytes([body[0] ^ 1]) + body[1:]
        if fault.name == "flipbit" or fault.name == "sums":
            headers.append(("x-amz-checksum-crc32", base64.b64encode(struct.pack(">I", zlib.crc32(data))).decode()))
        return self.send_body(fault, status, body, headers)

    def send_body(self, fault, status, body, headers):
        half = len(body) // 2
        if fault.now("cut", "GET") or fault.now("reset", "GET"):
            self.answer(status, body[:half], headers, length=len(body))
            time.sleep(0.02)
            self.hang_up(reset=fault.name == "reset")
        if fault.name in ("cutall", "cutbare"):  # every reply breaks after 100 000 bytes
            self.answer(status, body[:100000], headers, length=len(body))
            if len(body) > 100000:
                time.sleep(0.02)
                self.hang_up()
            return None
        if fault.now("stall", "GET"):
            self.answer(status, body[:half], headers, length=len(body))
            self.connection.settimeout(30)
            try:
                while self.connection.recv(1000):
                    pass
            except OSError:
                pass
            self.hang_up()
        if fault.now("drip", "GET"):
            self.answer(status, b"", headers, length=len(body))
            for i in range(len(body)):
                self.wfile.write(body[i : i + 1])
                self.wfile.flush()
                time.sleep(0.1)
            return None
        if fault.name == "hang":
            time.sleep(30)
            self.hang_up()
        if fault.name == "longer":
            headers = [*headers, ("Transfer-Encoding", "chunked")]
            return self.send_chunks(status, body + b"and more", headers)
        if fault.name == "chunked":
            return self.send_chunks(status, body, [*headers, ("Transfer-Encoding", "chunked")])
        if fault.name == "cutchunks":
            self.send_chunks(status, body[:half], [*headers, ("Transfer-Encoding", "chunked")], end=False)
            self.hang_up()
        if fault.name == "endless":  # neither a length nor chunks: the end of the connection is the end of the body
            self.answer(status, body, headers, length=-1, close=True)
            return None
        return self.answer(status, body, headers)

    def send_chunks(self, status, body, headers, end=True):
        self.answer(status, b"", headers, length=-1)
        for at in range(0, len(body), 50000):
            piece = body[at : at + 50000]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if end:
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def main():
    servers = [Server(("127.0.0.1", 0), Handler) for _ in range(2)]
    servers[0].other, servers[1].other = servers[1].server_port, servers[0].server_port
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    clean = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(
            ("AWS_", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy")
        )
    }
    env = dict(
        clean,
        FAULTY=f"http://127.0.0.1:{servers[0].server_port}",
        FAULTY_OTHER=f"http://127.0.0.1:{servers[1].server_port}",
        AWS_EC2_METADATA_DISABLED="true",
        HOME="/nonexistent",
    )
    return subprocess.run(sys.argv[1:], env=env).returncode


if __name__ == "__main__":
    sys.exit(main())
