/** The scores: the best label in large type, and a bar for each of the first labels. */

import { find, make, percent } from "./dom.js";
import { canExplain, nameLabel } from "./model.js";

const FIRST = 5;
const MORE = 15;

/**
 * @typedef {import("./service.js").Answer} Answer
 * @typedef {{id: number, label: string}} Label
 */

/** Lists all labels whose names are known, best first. @type {(answer: Answer) => Label[]} */
export function rank({ predictions, scores }) {
	const first = predictions.map(({ label, label_id: id }) => ({ id, label }));
	const rest = scores.map((_, id) => ({ id, label: nameLabel(id) ?? "" }));
	const unseen = rest.filter(({ id, label }) => label && !first.some((one) => one.id === id));
	return [...first, ...unseen.sort((a, b) => scores[b.id] - scores[a.id])];
}

export class Bars {
	#count = FIRST;
	#own = /** @type {Answer} */ ({});
	#state = /** @type {{answer: Answer, before?: Answer, chosen: Label[]}} */ ({});
	#onPress;

	/** @param {(label: Label) => void} onPress */
	constructor(onPress) {
		this.#onPress = onPress;
		find("more").onclick = () => {
			this.#count = this.#count >= rank(this.#own).length ? FIRST : this.#count + MORE;
			this.render({});
		};
	}

	/** Takes an answer whose order stays when painting changes scores. @param {Answer} answer */
	begin(answer) {
		this.#own = answer;
		this.#count = FIRST;
	}

	/** Shows a change. @param {{answer?: Answer, before?: Answer, chosen?: Label[]}} change */
	render(change) {
		const { answer } = (this.#state = { ...this.#state, ...change });
		const [{ label, label_id: id, score }, second] = answer.predictions;
		find("top").textContent = label;
		find("top").className = label.length > 12 ? "long" : "";
		find("runner-up").textContent = percent(score) + (second ? `, then ${second.label} with ${percent(second.score)}` : "");
		const order = rank(this.#own); // longer once labels are known
		const shown = order.slice(0, this.#count);
		if (!shown.some((one) => one.id === id)) shown.push({ id, label });
		const rows = shown.map((one) => find(`bar-${one.id}`) ?? this.#makeRow(one));
		const { children } = find("bars");
		const isSame = rows.length === children.length && rows.every((row, i) => row === children[i]);
		if (!isSame) this.#replace(rows);
		rows.forEach((row, i) => this.#fill(row, shown[i]));
		find("more").hidden = order.length <= FIRST;
		find("more").textContent = this.#count < order.length ? "More labels" : "Fewer labels";
	}

	/** A focus stays, or goes to the best label. @param {HTMLElement[]} rows */
	#replace(rows) {
		const focused = find("bars").querySelector(":focus");
		find("bars").replaceChildren(...rows);
		if (focused) (focused.isConnected ? focused : find("top")).focus();
	}

	/** @param {Label} label */
	#makeRow({ id }) {
		const button = make("button", { id: `label-${id}` });
		const meter = make("meter", { "aria-labelledby": button.id });
		return make("li", { id: `bar-${id}` }, button, make("span"), meter, make("small"));
	}

	/** @param {any} row @param {Label} label */
	#fill(row, label) {
		const { answer, before, chosen } = this.#state;
		const [button, number, meter, note] = row.children;
		button.disabled = !canExplain();
		button.textContent = label.label;
		button.onclick = () => this.#onPress(label);
		button.ariaPressed = chosen.some(({ id }) => id === label.id);
		meter.value = answer.scores[label.id];
		number.textContent = meter.textContent = percent(meter.value);
		note.textContent = before ? `was ${percent(before.scores[label.id])}` : "";
	}
}
