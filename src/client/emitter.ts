type Listeners<Events extends { [name in keyof Events]: unknown[] }> = {
  [Name in keyof Events]?: Set<(...args: Events[Name]) => void>;
};

/** Listeners by event, typed by the event's arguments. */
export class Emitter<Events extends { [name in keyof Events]: unknown[] }> {
  readonly #listeners: Listeners<Events> = {};

  /** Calls `listener` from now on, until what it returns is called. */
  on<Name extends keyof Events>(name: Name, listener: (...args: Events[Name]) => void): () => void {
    const listeners = this.#listeners[name] ?? new Set<(...args: Events[Name]) => void>();
    this.#listeners[name] = listeners;
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  emit<Name extends keyof Events>(name: Name, ...args: Events[Name]): void {
    for (const listener of [...(this.#listeners[name] ?? [])]) listener(...args);
  }
}
