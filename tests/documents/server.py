"""A server of its own for the long forms, and the few calls that they need."""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

CONFIG = "[default_account]\nrequests_per_minute = 1000000000\ncredits = 1000000000\nwaiting_jobs = 1000000\n"


class Server:
    """`convertfly serve` on a free port, gone with its folder at the end of the block."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp()
        with open(f"{self.folder}/convertfly.toml", "w") as file:
            file.write(CONFIG)
        data = f"{self.folder}/data"
        variables = {"CONVERTFLY_CONFIG": f"{self.folder}/convertfly.toml", "CONVERTFLY_DATA": data, "CONVERTFLY_GPU": "off"}
        program = os.environ.get("CONVERTFLY_PROGRAM", "target/debug/convertfly")
        self.log = open(f"{self.folder}/log", "w")
        arguments = [program, "serve", "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(arguments, env=os.environ | variables, stderr=self.log, stdout=subprocess.DEVNULL)
        for _ in range(600):
            with open(f"{self.folder}/log") as log:
                said = log.read()
            found = re.search(r'listening on (http[^" ]*)', said)
            if found:
                break
            assert self.process.poll() is None, said
            time.sleep(0.1)
        self.url = found.group(1)
        with open(f"{data}/api-key") as file:
            self.key = file.read().strip()
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        shutil.rmtree(self.folder)

    def call(self, method, path, body=None):
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/api/v1{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.read().decode()}") from error

    def convert(self, path, targets, options=None):
        """Converts a file to each target in one job; by target the files as (name, bytes), or the error as a dict."""
        with open(path, "rb") as file:
            content = base64.b64encode(file.read()).decode()
        tasks = {"in": {"operation": "import/base64", "file": content, "filename": os.path.basename(path)}}
        for target in targets:
            tasks[f"c-{target}"] = {"operation": "convert", "input": "in", "output_format": target, "options": options or {}}
            tasks[f"e-{target}"] = {"operation": "export/url", "input": f"c-{target}"}
        job = self.call("POST", "/jobs", {"tasks": tasks})
        while job["status"] not in ("FINISHED", "ERROR"):
            job = self.call("GET", f"/jobs/{job['id']}/wait?timeout=110")
        made = {}
        for target in targets:
            task = job["tasks"][f"c-{target}"]
            if task["status"] != "FINISHED":
                made[target] = task.get("error") or {"code": task["status"]}
                continue
            files = job["tasks"][f"e-{target}"]["result"]["files"]
            made[target] = [(file["filename"], urllib.request.urlopen(file["url"]).read()) for file in files]
        return made
