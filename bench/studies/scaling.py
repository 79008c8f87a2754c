"""Run ``python -m bench.studies.scaling``: a plan past the machine, for docs/scaling.md.

    plan      nodes, replicas and money for a rate
    simulate  the planned cluster on a simulated clock

Without one of these it does that for five sizes and for the loss of a node, runs several ingresses
on a real Serve and HAProxy with 10 to 3,000 servers, counts the controller's messages, draws
docs/scaling.png and keeps the results; the last line of stdout is one JSON object.
"""

import argparse
import time
from dataclasses import asdict, fields

from bench.kit.results import Record, save, start_record
from bench.studies import planned_clusters as planned
from bench.studies import scaling_report as report
from bench.studies.capacity_plan import Assumptions, format_plans, plan_rates
from bench.studies.cluster_parts import Costs
from bench.studies.cluster_simulation import Offer
from bench.studies.control_plane import count_messages, count_port_changes
from bench.studies.fan_out import measure_fan_out

PLANNED = (1_000, 10_000, 100_000)


def run_all() -> Record:
    """Run everything; return the record."""
    record, begun = start_record("scaling"), time.monotonic()
    record |= {"assumptions": asdict(Assumptions()), "costs_ms": asdict(Costs())}
    record["drivers"] = planned.check_drivers()
    record["fan_out"] = planned.run_apart(measure_fan_out)
    shapes = [planned.make_shape(rate, Assumptions(), {}) for rate in PLANNED]
    record |= {"control": list(map(count_messages, shapes)), "ports": count_port_changes(live=4)}
    record |= {"losses": planned.simulate_losses(), "sizes": planned.simulate_sizes()}
    return record | {"minutes": round((time.monotonic() - begun) / 60, 1)}


def run() -> None:
    """Run what is asked for."""
    options = parse_options()
    assumed = Assumptions(**{one.name: getattr(options, one.name) for one in fields(Assumptions)})
    match options.act:
        case "plan":
            print(format_plans(plan_rates(options.images_per_s, assumed)))
        case "simulate":
            offers = [Offer(rate, 4) for rate in options.images_per_s]
            cells = [planned.simulate_plan(one, options.rule, assumed) for one in offers]
            print(report.format_sizes(cells))
        case _:
            record = run_all()
            report.print_tables(record)
            report.draw_plot(record)
            save(record, "scaling")


def parse_options() -> argparse.Namespace:
    """Parse the command line; each assumption is an option."""
    parser = argparse.ArgumentParser(prog="python -m bench.studies.scaling", description=__doc__)
    parser.add_argument("act", nargs="?", default="all", choices=("plan", "simulate", "all"))
    parser.add_argument("--images-per-s", type=float, nargs="+", default=list(PLANNED))
    parser.add_argument("--rule", choices=list(planned.RULES), default=planned.NOW)
    for one in fields(Assumptions):
        flag = f"--{one.name.replace('_', '-')}"
        parser.add_argument(flag, type=type(one.default), default=one.default)
    return parser.parse_args()


if __name__ == "__main__":
    run()
