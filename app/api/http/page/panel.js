/** One view of a picture: the picture, a heatmap over it, and what is painted on it. */

import { make, percent } from "./dom.js";
import { describeHeat, drawHeat } from "./heatmap.js";
import { context, newCanvas } from "./picture.js";
/** @import { Box, Explanation, Size } from "./service.js" */

const HEAT_EDGE = 512;

export class Panel {
	#picture = newCanvas(0, 0);
	#heat = newCanvas(0, 0);
	#paint = newCanvas(0, 0);
	#caption = make("figcaption");
	frame = make("div", { className: "frame" }, this.#picture, this.#heat, this.#paint);
	element = make("figure", {}, this.frame, this.#caption);

	constructor() {
		this.#picture.setAttribute("role", "img");
		this.#heat.className = "heat";
	}

	/** Shows a picture, or a note in its place. @type {(source: HTMLCanvasElement|null, name: string, note: string) => void} */
	show(source, name, note) {
		const { width, height } = source ?? { width: 4, height: 3 };
		const scale = HEAT_EDGE / Math.max(width, height);
		for (const canvas of [this.#picture, this.#paint]) Object.assign(canvas, { width, height });
		Object.assign(this.#heat, { width: width * scale, height: height * scale });
		if (source) context(this.#picture).drawImage(source, 0, 0);
		this.#picture.setAttribute("aria-label", name);
		this.frame.dataset.note = source ? "" : note;
		this.frame.className = `frame ${scale > 2.5 ? "tiny" : ""}`;
		this.#caption.replaceChildren();
	}

	/**
	 * Draws the heatmap of a label over a box of a picture of that size, and says where it is strong.
	 * @type {(label: string, explanation?: Explanation, box?: Box, size?: Size) => void}
	 */
	explain(label, explanation, box, size) {
		context(this.#heat).clearRect(0, 0, HEAT_EDGE, HEAT_EDGE);
		this.#caption.replaceChildren(make("strong", {}, label));
		this.frame.classList.toggle("mapped", !!explanation);
		if (!explanation || !box || !size) return;
		drawHeat(this.#heat, explanation.relevance, box, this.#heat.width / size.width);
		const words = describeHeat(explanation.relevance, label);
		this.#caption.append(` ${percent(explanation.score)}`, make("span", {}, words));
	}

	/** @param {(context: CanvasRenderingContext2D) => void} draw */
	paint(draw) {
		const target = context(this.#paint);
		target.clearRect(0, 0, this.#paint.width, this.#paint.height);
		draw(target);
	}
}
