"""A placeholder: fails as Grafana would if what it is given cannot be read, and answers /api/health. It draws nothing."""

import http.server
import os
import pathlib

for path in (os.environ["GF_SECURITY_ADMIN_PASSWORD__FILE"], os.environ["PGVIGIL_DATASOURCE_PASSWORD"][8:-1]):
    assert pathlib.Path(path).read_text(), f"{path} is empty"
assert list(pathlib.Path(os.environ["GF_PATHS_PROVISIONING"]).glob("datasources/*.y*ml")), (
    "no data source is provisioned"
)
pathlib.Path("/var/lib/grafana/grafana.db").touch()


class Handler(http.server.BaseHTTPRequestHandler):
    """Healthy, and nothing else."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200 if self.path == "/api/health" else 404)
        self.end_headers()


address = (os.environ.get("GF_SERVER_HTTP_ADDR", "0.0.0.0"), int(os.environ.get("GF_SERVER_HTTP_PORT", "3000")))
http.server.HTTPServer(address, Handler).serve_forever()
