/** Finding and making elements. Text goes in as text: nothing in this page parses HTML. */

/** @param {string} id @returns {any} */
export const find = (id) => document.getElementById(id);

/**
 * Makes an element with properties; one with "-" in its name is an attribute.
 * @type {(tag: string, properties?: Record<string, any>, ...children: (Node|string)[]) => any}
 */
export function make(tag, properties = {}, ...children) {
	const element = document.createElement(tag);
	for (const [name, value] of Object.entries(properties))
		if (name.includes("-")) element.setAttribute(name, value);
		else Object.assign(element, { [name]: value });
	element.append(...children);
	return element;
}

/** Shows one part of the page. @param {"nothing"|"viewer"|"sheet"} name */
export function show(name, focused = document.activeElement) {
	document.body.dataset.shows = name;
	for (const id of ["viewer", "sheet"]) find(id).hidden = id !== name;
	find("to-sheet").hidden = name !== "viewer" || !find("cards").children.length;
	keepFocus(focused);
}

/** Gives a focus that went away to the head of what is shown. @param {Element|null} focused */
export function keepFocus(focused) {
	if (focused?.checkVisibility()) return;
	find({ viewer: "top", sheet: "sheet-name" }[document.body.dataset.shows ?? ""] ?? "choose").focus();
}

const small = new Intl.NumberFormat("en", { maximumSignificantDigits: 2 });

/** Writes a score, 0 to 1, as a percentage. @param {number} score */
export function percent(score) {
	const value = 100 * score;
	if (value >= 1) return `${Math.min(value, value < 100 ? 99.99 : 100).toFixed(2)}%`;
	return value > 0 && value < 1e-4 ? "<0.0001%" : `${small.format(value)}%`;
}
