/** Files become canvases of bounded size; what the browser cannot read, the service draws. */

import { Queue } from "./queue.js";
import { drawPicture } from "./service.js";

const MAX_PIXELS = 64e6;

/** Memory holds one picture at a time. */
const decoding = new Queue(1);

/** @typedef {(file: any, size: import("./service.js").Size, edge: number) => Promise<HTMLCanvasElement|null>} Decode */

/** Decodes a picture, upright, to about `edge` pixels at most; null where nobody can. @type {Decode} */
export async function decode(file, size, edge) {
	const own = size.width * size.height <= MAX_PIXELS && await tryDecode(file, size, edge);
	if (own) return own;
	const drawn = await drawPicture(file).catch(() => null);
	return drawn && tryDecode(drawn, size, edge);
}

/** @type {Decode} */
const tryDecode = (blob, { width, height }, edge) => decoding.run(async () => {
	const longest = width > height ? "resizeWidth" : "resizeHeight";
	const options = Math.max(width, height) > edge ? { [longest]: edge, resizeQuality: "high" } : {};
	const bitmap = await createImageBitmap(blob, /** @type {any} */ (options)).catch(() => null);
	if (!bitmap) return null;
	const canvas = newCanvas(bitmap.width, bitmap.height);
	context(canvas).drawImage(bitmap, 0, 0);
	bitmap.close();
	return canvas;
});

/** @param {number} width @param {number} height */
export const newCanvas = (width, height) =>
	Object.assign(document.createElement("canvas"), { width, height });

/** @param {HTMLCanvasElement} canvas @returns {CanvasRenderingContext2D} */
export const context = (canvas) => /** @type {any} */ (canvas.getContext("2d", { willReadFrequently: true }));

/** Finds the background's colour. @param {HTMLCanvasElement} canvas */
export function findMedian(canvas) {
	const small = context(newCanvas(32, 32));
	small.drawImage(canvas, 0, 0, 32, 32);
	const { data } = small.getImageData(0, 0, 32, 32);
	const median = [0, 1, 2].map((channel) => data.filter((_, i) => i % 4 === channel).sort()[512]);
	return `rgb(${median})`;
}
