import { signal } from '@preact/signals';
import type { Parlance, Person } from '../../client/index.js';

/** People by id, looked up when they are first named. */
export class People {
  readonly all = signal<ReadonlyMap<string, Person>>(new Map());
  readonly #client: Parlance;
  readonly #asked = new Set<string>();

  constructor(client: Parlance, me: Person) {
    this.#client = client;
    this.#asked.add(me.id);
    this.all.value = new Map([[me.id, me]]);
  }

  /** Everybody whom the service lists. @throws RefusedError */
  async load(): Promise<void> {
    this.#add(await this.#client.api.people());
  }

  /** What somebody is called: their id until more is known. */
  name(id: string): string {
    const person = this.all.value.get(id);
    if (person) return person.name;
    this.#ask(id);
    return id;
  }

  #ask(id: string): void {
    if (this.#asked.has(id)) return;
    this.#asked.add(id);
    // Whom the service does not show is called by the id.
    void this.#client.api.person(id).then(
      (person) => this.#add([person]),
      () => undefined,
    );
  }

  #add(people: readonly Person[]): void {
    this.all.value = new Map([...this.all.value, ...people.map((person) => [person.id, person] as const)]);
  }
}
