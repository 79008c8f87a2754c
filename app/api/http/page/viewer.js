/** One picture and its answer: bars, heatmaps of one or two labels, and what painting changes. */

import { Bars, rank } from "./bars.js";
import { Brush } from "./brush.js";
import { showCrop, showTime } from "./details.js";
import { find, percent, show } from "./dom.js";
import { canExplain, learnModel, showModel, whyNot } from "./model.js";
import { countBusy, say, showProblem } from "./notices.js";
import { Panel } from "./panel.js";
import { decode } from "./picture.js";
import { PREDICT, Problem, classify, explain, explainRoute } from "./service.js";
import { showSnippet } from "./snippet.js";
/** @import { Label } from "./bars.js" */
/** @import { Answer, Explained } from "./service.js" */

const EDGE = 1024;

export class Viewer {
	#panels = [new Panel(), new Panel()];
	#bars = new Bars((label) => this.#press(label));
	#brush = new Brush(this.#panels, () => this.#askPainted());
	#openings = /** @type {AbortController[]} */ ([]); // oldest first
	#explaining = new AbortController();
	#shown = /** @type {{file: File, answer: Answer, source: HTMLCanvasElement|null, signal: AbortSignal}} */ ({});
	#maps = /** @type {Map<number, Explained>} */ (new Map());
	#chosen = /** @type {Label[]} */ ([]);
	#isGiven = true; // nobody has chosen the label that is explained

	constructor() {
		find("panels").append(...this.#panels.map(({ element }) => element));
		find("opacity").oninput = () => find("panels").style.setProperty("--heat", find("opacity").value);
		find("compare").onclick = () => this.#compare();
	}

	/** Until there is an answer, what was shown stays. @param {File} file */
	async open(file) {
		const opening = new AbortController();
		const { signal } = opening;
		this.#openings.push(opening);
		countBusy(1);
		try {
			const answer = await classify(file, signal);
			this.stop(this.#openings.indexOf(opening));
			this.#begin(file, answer, signal);
			await learnModel(answer.model.revision);
			const source = await decode(file, answer.image, EDGE);
			if (!signal.aborted) this.#addPicture(source);
		} catch (error) {
			showProblem(error, file.name, () => this.open(file));
		} finally {
			countBusy(-1);
		}
	}

	/** Gives up what was begun; so many pictures, the oldest. */
	stop(count = Infinity) {
		for (const opening of this.#openings.splice(0, count)) opening.abort();
		this.#explaining.abort();
	}

	/** @param {File} file @param {Answer} answer @param {AbortSignal} signal */
	#begin(file, answer, signal) {
		const focused = document.activeElement;
		this.#shown = { file, answer, source: null, signal };
		this.#maps.clear();
		this.#chosen = [];
		this.#isGiven = true;
		this.#bars.begin(answer);
		this.#showAnswer(answer);
		this.#showPicture(null, "");
		show("viewer", focused);
		showModel(answer.model);
		const { width, height, format } = answer.image;
		find("file").textContent = `${file.name} · ${width} × ${height} ${format} · ${Math.ceil(file.size / 1e3)} kB`;
	}

	/** @param {HTMLCanvasElement|null} source */
	#addPicture(source) {
		const { answer } = this.#shown;
		this.#showPicture(source, `${find("file").textContent}\nThis browser cannot show it.`);
		find("opacity").parentElement.hidden = !canExplain();
		find("unexplained").textContent = canExplain() ? "" : `No heatmap: ${whyNot()}`;
		const best = canExplain() ? rank(answer).slice(0, 1) : [];
		this.#choose(this.#isGiven ? best : this.#chosen);
	}

	/** @param {HTMLCanvasElement|null} source @param {string} note */
	#showPicture(source, note) {
		this.#shown.source = source;
		for (const panel of this.#panels) panel.show(source, this.#shown.file.name, note);
		this.#panels[1].element.hidden = true;
		this.#brush.begin(source);
		showCrop(null);
	}

	/** Shows an answer, beside that `before` painting. @type {(answer: Answer, before?: Answer) => void} */
	#showAnswer(answer, before) {
		this.#bars.render({ answer, before, chosen: this.#chosen });
		showTime(answer.stages);
		const [first, second] = answer.predictions;
		say(`${first.label}, ${percent(first.score)}${second ? `, then ${second.label}` : ""}`, false);
	}

	/** Shows a label, a second one beside it; a press on one of two takes it away. @param {Label} label */
	#press(label) {
		const others = this.#chosen.filter(({ id }) => id !== label.id);
		const isNew = others.length === this.#chosen.length;
		const chosen = this.#isGiven || !others.length ? [label] : isNew ? [...others.slice(-1), label] : others;
		this.#isGiven = false;
		this.#choose(chosen);
	}

	#findOther() {
		return rank(this.#shown.answer).find(({ id }) => id !== this.#chosen[0]?.id);
	}

	#compare() {
		const other = this.#findOther();
		this.#isGiven = false;
		this.#choose(this.#chosen.length < 2 && other ? [...this.#chosen, other] : this.#chosen.slice(0, 1));
	}

	/** Explains labels, at most two. @param {Label[]} chosen */
	async #choose(chosen) {
		this.#chosen = chosen;
		this.#explaining.abort();
		learnModel(this.#shown.answer.model.revision).then(() => this.#bars.render({}));
		const { signal } = (this.#explaining = new AbortController());
		this.#bars.render({ chosen });
		this.#panels[1].element.hidden = chosen.length < 2;
		const other = this.#findOther();
		find("compare").textContent = chosen.length < 2 ? `Compare with ${other?.label}` : "Show one";
		find("compare").hidden = !chosen.length || !other;
		showSnippet([PREDICT, ...chosen.map(({ id }) => explainRoute(id))], this.#shown.file.name);
		chosen.forEach(({ label }, i) => this.#panels[i].explain(label));
		for (const [i, label] of chosen.entries())
			try {
				await this.#explain(this.#panels[i], label, signal);
			} catch (/** @type {any} */ error) {
				const again = () => (error.isStale ? this.open(this.#shown.file) : this.#choose(chosen));
				showProblem(error, `Heatmap of ${label.label}`, again);
				return;
			}
	}

	/** @param {Panel} panel @param {Label} label @param {AbortSignal} signal */
	async #explain(panel, { id, label }, signal) {
		const { file, source, answer: { image, model } } = this.#shown;
		const explained = this.#maps.get(id) ?? (await explain(file, id, signal));
		if (signal.aborted) return;
		const [map] = explained.explanations;
		if (map.label_id !== id || explained.model.revision !== model.revision)
			throw Object.assign(new Problem("The model has changed", "It may give another answer now."), { isStale: true });
		this.#maps.set(id, explained);
		panel.explain(label, map, explained.crop ?? { left: 0, top: 0, ...image }, image);
		showCrop(source, explained, image);
	}

	/** Asks once for the picture as it is sent, and once for each stroke. */
	async #askPainted() {
		const { file, answer, signal } = this.#shown;
		const { painting } = this.#brush;
		if (!painting) return;
		const strokes = [...painting.strokes];
		const last = strokes.at(-1);
		if (!last) this.#showAnswer(answer);
		const ask = async (/** @type {typeof strokes} */ painted) =>
			classify(await painting.toFile(file.name, painted), signal);
		try {
			const before = await (painting.base ??= ask([]));
			if (!last) return;
			last.answer ??= await ask(strokes);
			if (this.#brush.painting === painting && painting.strokes.at(-1) === last) this.#showAnswer(last.answer, before);
		} catch (error) {
			painting.base = null;
			showProblem(error, "The painted picture", () => this.#askPainted());
		}
	}
}
