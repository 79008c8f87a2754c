/** The API key: asked for when the service wants one, and kept in memory alone. */

import { find } from "./dom.js";

let key = "";
let closedAt = 0;

/** @type {Promise<boolean>|null} */
let asking = null;

/** @returns {Record<string, string>} */
export const headers = () => (key ? { "X-API-Key": key } : {});

export const hasKey = () => key !== "";

/**
 * Asks for a key, once for requests that are refused together, and not whoever has cancelled since;
 * tells whether there is another than what was sent.
 * @type {(reason: string, sent: Record<string, string>, sentAt: number) => Promise<boolean>}
 */
export function askKey(reason, sent, sentAt) {
	if ((sent["X-API-Key"] ?? "") !== key) return Promise.resolve(true);
	if (sentAt < closedAt) return Promise.resolve(false);
	asking ??= open(reason).finally(() => (asking = null));
	return asking;
}

export function listenForKey() {
	find("key").onclick = () => askKey("Requests will carry this key.", headers(), Infinity);
}

/** Opens the dialog, which keeps the focus and gives it back. @type {(reason: string) => Promise<boolean>} */
function open(reason) {
	const [dialog, input] = [find("key-dialog"), find("key-value")];
	find("key-reason").textContent = reason;
	find("key").hidden = false;
	dialog.returnValue = "";
	dialog.showModal();
	return new Promise((resolve) => {
		dialog.onclose = () => {
			const isUsed = dialog.returnValue === "use";
			if (isUsed) key = input.value;
			input.value = "";
			closedAt = performance.now();
			resolve(isUsed);
		};
	});
}
