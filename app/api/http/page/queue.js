/** Tasks of which only a few run at a time. */

export class Queue {
	#free;
	/** @type {any[]} */
	#waiting = [];

	/** @param {number} width */
	constructor(width) {
		this.#free = width;
	}

	/** @template T @param {() => Promise<T>} task @returns {Promise<T>} */
	async run(task) {
		if (this.#free > 0) this.#free -= 1;
		else await new Promise((resolve) => this.#waiting.push(resolve));
		try {
			return await task();
		} finally {
			const next = this.#waiting.shift();
			if (next) next();
			else this.#free += 1;
		}
	}
}
