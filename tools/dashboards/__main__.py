"""Write the dashboards to deploy/grafana/: `make dashboards`."""

from pathlib import Path

from tools.dashboards.description import read_boards
from tools.dashboards.grafana import write_dashboard

FOLDER = Path(__file__).parents[2] / "deploy" / "grafana"

if __name__ == "__main__":
    for board in read_boards():
        (FOLDER / f"{board.name}.json").write_text(write_dashboard(board), "utf-8")
