/** Base classes of WhatsApp Web's modules, as far as whatsapp-web.js uses them. */

/** Backbone's events. Names may be several, separated by spaces. */
export class Emitter {
  #handlers = [];

  on(names, handler) {
    for (const name of names.split(" ")) this.#handlers.push({ name, handler });
  }

  off(names, handler) {
    const gone = names.split(" ");
    this.#handlers = this.#handlers.filter((one) => one.handler !== handler || !gone.includes(one.name));
  }

  once(name, handler) {
    const first = (...args) => {
      this.off(name, first);
      handler(...args);
    };
    this.on(name, first);
  }

  trigger(name, ...args) {
    for (const one of [...this.#handlers]) if (one.name === name) one.handler(...args);
  }
}

/** An object with attributes. A change is an event of the object and of its collection. */
export class Model extends Emitter {
  constructor(attributes) {
    super();
    Object.assign(this, attributes);
  }

  set(name, value) {
    const previous = this[name];
    if (previous === value) return;
    this[name] = value;
    this.#announce(`change:${name}`, this, value, previous);
    this.#announce("change", this);
  }

  serialize() {
    return JSON.parse(JSON.stringify(this));
  }

  #announce(name, ...args) {
    this.trigger(name, ...args);
    this.collection?.trigger(name, ...args);
  }

  toJSON() {
    const { collection: _, ...attributes } = this;
    return attributes;
  }
}

export class Collection extends Emitter {
  #models = new Map();

  /** Adds a model, unless there is one with its id. Returns the one that is there afterwards, in an array as Backbone does. */
  add(model) {
    const known = this.get(model.id);
    if (known) return [known];
    model.collection = this;
    this.#models.set(String(model.id), model);
    this.trigger("add", model);
    return [model];
  }

  get(id) {
    return this.#models.get(String(id));
  }

  getModelsArray() {
    return [...this.#models.values()];
  }
}

/** A WhatsApp id. */
export class Wid {
  constructor(text) {
    [this.user, this.server] = text.split("@");
    this._serialized = text;
  }

  equals = (other) => this._serialized === other?._serialized;
  isLid = () => this.server === "lid";
  isGroup = () => this.server === "g.us";
  isUser = () => this.server === "c.us";
  isStatus = () => this._serialized === "status@broadcast";
  toString = () => this._serialized;
  toJSON = () => ({ server: this.server, user: this.user, _serialized: this._serialized });
}

/** A message's key. `selfDir` "out" makes one of the account's own, from `from` to `to`. */
export class MsgKey {
  constructor({ fromMe, remote, id, participant, to, selfDir }) {
    if (selfDir === "out") [fromMe, remote] = [true, to];
    const _serialized = [fromMe, remote, id, ...(participant ? [participant] : [])].join("_");
    Object.assign(this, { fromMe, remote, id, participant, _serialized });
  }

  static async newId() {
    const bytes = crypto.getRandomValues(new Uint8Array(9));
    return `3EB0${[...bytes].map((byte) => byte.toString(16).padStart(2, "0").toUpperCase()).join("")}`;
  }

  toString = () => this._serialized;
}
