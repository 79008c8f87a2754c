/** Painting by pointer, and by keyboard: a cell that the arrow keys move over the picture. */

import { find, make } from "./dom.js";
import { say } from "./notices.js";
import { CELLS, Painting } from "./painting.js";

/** @type {Record<string, number[]>} */
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Brush {
	/** @type {Painting|null} */
	painting = null;
	#panels;
	#onStroke;
	/** @type {import("./painting.js").Stroke|null} */
	#stroke = null;

	/** @param {import("./panel.js").Panel[]} panels @param {() => void} onStroke */
	constructor(panels, onStroke) {
		this.#panels = panels;
		this.#onStroke = onStroke;
		find("paint").onclick = () => this.#turn(find("brush").hidden);
		find("undo").onclick = () => this.#remove(-1);
		find("clear").onclick = () => this.#remove(0);
		for (const { frame } of panels) this.#listen(frame);
	}

	/** @param {HTMLCanvasElement|null} source */
	begin(source) {
		this.painting = source && new Painting(source);
		this.#turn(false);
		find("paint").hidden = !source;
	}

	/** @param {boolean} isOn */
	#turn(isOn) {
		find("brush").hidden = !isOn;
		find("paint").ariaPressed = String(isOn);
		find("panels").classList.toggle("painting", isOn);
		if (isOn) this.#onStroke();
	}

	/** @param {number} from position of the first stroke that goes */
	#remove(from) {
		this.painting?.strokes.splice(from);
		this.#finish();
	}

	#draw() {
		for (const panel of this.#panels) panel.paint((target) => this.painting?.draw(target));
	}

	#finish() {
		this.#stroke = null;
		this.#draw();
		this.#onStroke();
	}

	/** @param {HTMLElement} frame */
	#listen(frame) {
		const extend = (/** @type {PointerEvent} */ { clientX, clientY }) => {
			const box = frame.getBoundingClientRect();
			this.#stroke?.points.push([(clientX - box.left) / box.width, (clientY - box.top) / box.height]);
			this.#draw();
		};
		frame.onpointerdown = (event) => {
			if (find("brush").hidden || event.button) return;
			frame.setPointerCapture(event.pointerId);
			this.#stroke = { points: [], size: Number(find("size").value) };
			this.painting?.strokes.push(this.#stroke);
			extend(event);
			extend(event); // a point alone would draw nothing
		};
		frame.onpointermove = (event) => this.#stroke && extend(event);
		frame.onpointerup = frame.onpointercancel = () => this.#stroke && this.#finish();
		this.#addCell(frame);
	}

	/** @param {HTMLElement} frame */
	#addCell(frame) {
		let cell = [CELLS / 2, CELLS / 2];
		const button = make("button");
		const place = () => {
			const [left, top] = cell.map((at) => `${(100 * at) / CELLS}%`);
			Object.assign(button.style, { left, top });
			button.ariaLabel = `Hide row ${cell[1] + 1} of ${CELLS}, column ${cell[0] + 1} of ${CELLS}`;
		};
		button.onkeydown = (/** @type {KeyboardEvent} */ event) => {
			const move = MOVES[event.key];
			if (!move) return;
			event.preventDefault();
			cell = cell.map((at, axis) => Math.min(CELLS - 1, Math.max(0, at + move[axis])));
			place();
			say(`Row ${cell[1] + 1}, column ${cell[0] + 1}`, false);
		};
		button.onclick = () => {
			this.painting?.strokes.push({ points: [], size: 0, cell });
			this.#finish();
		};
		place();
		frame.append(make("div", { className: "cursor", role: "application", ariaLabel: "Cells of the picture" }, button));
	}
}
