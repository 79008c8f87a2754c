/** What the page says: a polite status, and problems, which stay until they are dismissed. */

import { find, make } from "./dom.js";

/** Says something in the status line; unseen where the page shows the same elsewhere. @type {(text: string, isShown?: boolean) => void} */
export function say(text, isShown = true) {
	find("status").className = isShown ? "" : "unseen";
	find("status").textContent = text;
}

let tasks = 0;

/** Tells that a task begins (1) or is over (-1). @param {number} change */
export const countBusy = (change) => document.body.classList.toggle("busy", (tasks += change) > 0);

/**
 * Shows a problem with a subject, such as a file's name, and leaves all else as it is.
 * @type {(error: any, subject: string, retry?: () => void) => void}
 */
export function showProblem(error, subject, retry) {
	if (error.name === "AbortError") return;
	const title = `${subject}: ${error.title ?? "Something went wrong in this page"}`;
	const text = make("div", {}, make("strong", {}, title), make("p", {}, error.detail ?? error.message));
	const dismiss = makeButton("Dismiss", hideProblem);
	const buttons = retry ? [makeButton("Try again", () => (hideProblem(), retry())), dismiss] : [dismiss];
	find("problem").replaceChildren(text, make("div", { className: "row" }, ...buttons));
	say("");
}

/** A focus that was in it goes to what chooses pictures. */
export function hideProblem() {
	const hadFocus = find("problem").contains(document.activeElement);
	find("problem").replaceChildren();
	if (hadFocus) find("choose").focus();
}

/** @param {string} text @param {() => void} onclick */
const makeButton = (text, onclick) => make("button", { onclick }, text);
