/** What is hidden of a picture: strokes of a brush, and cells of a grid. */

import { context, findMedian, newCanvas } from "./picture.js";

/** Rows and columns of the grid that the keyboard moves in. */
export const CELLS = 8;

/**
 * Points in parts of the picture's width and height, or a cell: column and row.
 * @typedef {{points: number[][], size: number, cell?: number[], answer?: any}} Stroke
 */

export class Painting {
	#source;
	#color;
	/** @type {Stroke[]} */
	strokes = [];
	/** @type {Promise<any>|null} the answer to it unpainted */
	base = null;

	/** @param {HTMLCanvasElement} source */
	constructor(source) {
		this.#source = source;
		this.#color = findMedian(source);
	}

	/** Draws strokes over a picture of any size. @param {CanvasRenderingContext2D} target */
	draw(target, strokes = this.strokes) {
		const { width, height } = target.canvas;
		Object.assign(target, { fillStyle: this.#color, strokeStyle: this.#color, lineCap: "round", lineJoin: "round" });
		for (const { points, size, cell } of strokes) {
			target.lineWidth = size * Math.max(width, height);
			target.beginPath();
			for (const [x, y] of points) target.lineTo(x * width, y * height);
			target.stroke();
			if (cell) target.fillRect((cell[0] / CELLS) * width, (cell[1] / CELLS) * height, width / CELLS, height / CELLS);
		}
	}

	/** Makes a PNG of the picture with strokes over it. @param {string} name @param {Stroke[]} strokes */
	async toFile(name, strokes) {
		const canvas = newCanvas(this.#source.width, this.#source.height);
		context(canvas).drawImage(this.#source, 0, 0);
		this.draw(context(canvas), strokes);
		const blob = await new Promise((resolve) => canvas.toBlob(resolve));
		return new File([blob], `${name}.png`, { type: "image/png" });
	}
}
