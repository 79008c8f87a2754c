/** Several pictures as a contact sheet: a card for each, sorted, and as CSV. */

import { download, formatCsv } from "./csv.js";
import { find, keepFocus, make, percent, show } from "./dom.js";
import { learnModel, showModel } from "./model.js";
import { countBusy, say } from "./notices.js";
import { context, decode } from "./picture.js";
import { Queue } from "./queue.js";
import { classify } from "./service.js";

const THUMBNAIL = 224;

/** @typedef {{file: File, card: any, answer?: import("./service.js").Answer, problem?: any}} Row */

/** @param {Row} row */
const best = ({ answer }) => answer?.predictions[0] ?? { label: "", score: 0 };

/** @type {Record<string, (a: Row, b: Row) => number>} */
const ORDERS = {
	order: () => 0,
	label: (a, b) => best(a).label.localeCompare(best(b).label, "en", { numeric: true }) || best(b).score - best(a).score,
	certain: (a, b) => best(b).score - best(a).score,
	uncertain: (a, b) => best(a).score - best(b).score,
};

export class ContactSheet {
	#asking = new Queue(4);
	#open;
	#onShow;
	#run = new AbortController();
	/** @type {Row[]} */
	#rows = [];

	/** @param {(file: File) => void} open @param {() => void} onShow */
	constructor(open, onShow) {
		this.#open = open;
		this.#onShow = onShow;
		find("sort").onchange = () => this.#update();
		find("csv").onclick = () => download(formatCsv(this.#sort()), "predictions.csv");
		find("again").onclick = () => this.#askAll(this.#rows.filter(({ problem }) => problem));
		find("empty").onclick = () => this.#clear();
		find("to-sheet").onclick = () => this.#show();
	}

	#show() {
		this.#onShow();
		show("sheet");
	}

	/** @param {File[]} files */
	add(files) {
		const rows = files.map((file) => ({ file, card: this.#makeCard(file) }));
		find("cards").append(...rows.map(({ card }) => card));
		this.#rows.push(...rows);
		this.#show();
		this.#askAll(rows);
	}

	/** @param {File} file */
	#makeCard(file) {
		const open = make("button", { disabled: true, onclick: () => this.#open(file) });
		const meter = make("meter", { ariaLabel: `Score of ${file.name}` });
		return make("li", {}, make("canvas", { width: 1, height: 1 }), open, make("span"), meter, make("p", { className: "fine" }, file.name));
	}

	/** @param {Row[]} rows */
	async #askAll(rows) {
		countBusy(1);
		if (this.#run.signal.aborted) this.#run = new AbortController();
		const run = this.#run;
		for (const row of rows) {
			delete row.problem;
			this.#fill(row);
		}
		this.#update();
		await Promise.all(rows.map((row) => this.#asking.run(() => this.#ask(row, run))));
		countBusy(-1);
		if (this.#rows.includes(rows[0])) say(find("summary").textContent, false);
	}

	/** @param {Row} row @param {AbortController} run */
	async #ask(row, run) {
		try {
			row.answer = await classify(row.file, run.signal);
			showModel(row.answer.model);
			await learnModel(row.answer.model.revision);
		} catch (/** @type {any} */ error) {
			if (error.isRefused) run.abort(error); // else each that waits would ask for a key
			row.problem = error;
		}
		if (!this.#rows.includes(row)) return;
		this.#fill(row);
		this.#update();
		const source = row.answer && (await decode(row.file, row.answer.image, THUMBNAIL));
		if (!source) return;
		const canvas = row.card.firstElementChild;
		Object.assign(canvas, { width: source.width, height: source.height });
		context(canvas).drawImage(source, 0, 0);
	}

	/** @param {Row} row */
	#fill({ file, card, answer, problem }) {
		const [, open, number, meter, note] = card.children;
		const { label, score } = best({ file, card, answer });
		open.textContent = answer ? label : (problem?.title ?? "…");
		open.disabled = !answer;
		open.ariaDescription = `Open ${file.name}`;
		number.textContent = answer ? percent(score) : "";
		meter.value = score;
		meter.hidden = !answer;
		note.textContent = problem ? `${file.name}: ${problem.detail}` : file.name;
		card.classList.toggle("failed", !!problem);
	}

	/** Those without an answer come last. */
	#sort() {
		const order = ORDERS[find("sort").value];
		return this.#rows.toSorted((a, b) => Number(!a.answer) - Number(!b.answer) || order(a, b));
	}

	#update() {
		const cards = find("cards");
		this.#sort().forEach(({ card }, i) => cards.children[i] !== card && cards.insertBefore(card, cards.children[i]));
		const count = this.#rows.length;
		const failed = this.#rows.filter(({ problem }) => problem).length;
		const value = this.#rows.filter(({ answer }) => answer).length + failed;
		Object.assign(find("progress"), { max: count, value, hidden: value === count });
		const problems = failed ? `, ${failed} with a problem` : "";
		find("summary").textContent = `${value < count ? `${value} of ` : ""}${count} pictures${problems}`;
		const focused = document.activeElement;
		find("again").hidden = !failed;
		keepFocus(focused);
	}

	#clear() {
		this.#run.abort();
		this.#rows = [];
		find("cards").replaceChildren();
		say("");
		show("nothing");
	}
}
