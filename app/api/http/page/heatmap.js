/** A grid of relevance as colours and as words. */

import { context, newCanvas } from "./picture.js";

/** Viridis: readable with every kind of colour vision. */
const SCALE = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
const EDGE = 160;

/** @param {number} from @param {number} to @param {number} part */
const mix = (from, to, part) => from + (to - from) * part;

/**
 * Draws a grid, rows of cells from 0 to 1, over a box of the picture.
 * @type {(canvas: HTMLCanvasElement, grid: number[][], box: import("./service.js").Box, scale: number) => void}
 */
export function drawHeat(canvas, grid, { left, top, width, height }, scale) {
	const smooth = newCanvas(EDGE, EDGE);
	const image = context(smooth).createImageData(EDGE, EDGE);
	for (let i = 0; i < EDGE * EDGE; i += 1) {
		const row = place(Math.floor(i / EDGE), grid.length);
		const column = place(i % EDGE, grid[0].length);
		const [above, below] = [grid[row.low], grid[row.high]].map((cells) =>
			mix(cells[column.low], cells[column.high], column.part));
		image.data.set(color(mix(above, below, row.part)), 4 * i);
	}
	context(smooth).putImageData(image, 0, 0);
	context(canvas).drawImage(smooth, left * scale, top * scale, width * scale, height * scale);
}

/** Finds the two cells beside a pixel. @param {number} pixel @param {number} count */
function place(pixel, count) {
	const exact = Math.min(Math.max(((pixel + 0.5) / EDGE) * count - 0.5, 0), count - 1);
	const low = Math.floor(exact);
	const part = exact - low;
	return { low, high: Math.min(low + 1, count - 1), part: part * part * (3 - 2 * part) };
}

/** Gives the colour of a value; what matters less hides less of the picture. @param {number} value */
function color(value) {
	const step = Math.min(SCALE.length - 2, Math.floor(value * (SCALE.length - 1)));
	const part = value * (SCALE.length - 1) - step;
	const rgb = SCALE[step].map((from, i) => mix(from, SCALE[step + 1][i], part));
	return [...rgb, 255 * (0.3 + 0.7 * value)];
}

/** Says in words where a grid is strong. @type {(grid: number[][], label: string) => string} */
export function describeHeat(grid, label) {
	const cells = grid.flatMap((row, y) => row.map((value, x) => ({ value, x, y })));
	const top = cells.reduce((best, cell) => (cell.value > best.value ? cell : best));
	if (!top.value) return `Nothing in the picture speaks for ${label}.`;
	/** @type {(at: number, all: any[]) => number} */
	const third = (at, all) => Math.floor(((at + 0.5) / all.length) * 3);
	const row = ["upper", "middle", "lower"][third(top.y, grid)];
	const column = ["left", "centre", "right"][third(top.x, grid[0])];
	const strong = cells.filter(({ value }) => value >= 0.5).length;
	const where = `${row} ${column}`.replace("middle centre", "centre");
	return `Strongest: ${where}; at least half as strong in ${strong} of ${cells.length} cells.`;
}
