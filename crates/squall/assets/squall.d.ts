/**
 * Squall's client for browsers: topics over whatever transport works (WebSocket, a streamed response, Server-Sent
 * Events), each message handed to the application once and in order, or a gap said.
 *
 * ```js
 * import { Squall } from "/squall.js";
 * const live = new Squall({ getToken: () => fetch("/token").then((answer) => answer.text()) });
 * const room = live.subscribe("chat:1");
 * room.addEventListener("message", ({ data }) => show(data));
 * room.addEventListener("gap", () => location.reload());
 * ```
 */

/** Where somebody is in a channel's messages: everything up to here was received, in this life of the log. */
export interface Position {
  epoch: string;
  offset: number;
}

/** What others may know of a session. */
export interface ClientInfo {
  user?: string;
  client?: string;
  conn_info?: unknown;
  chan_info?: unknown;
}

/** A message of a channel. */
export interface Message {
  data: any;
  /** Missing where the channel keeps nothing. */
  offset?: number;
  tags?: Record<string, string>;
  /** Who published it, if that was a client and is told. */
  info?: ClientInfo;
}

/** A test of a message's tags: a comparison, or several that `op` joins. */
export interface TagsFilter {
  op?: "" | "and" | "or" | "not";
  key?: string;
  cmp?: "eq" | "neq" | "in" | "nin" | "ex" | "nex" | "sw" | "ew" | "ct" | "lt" | "lte" | "gt" | "gte";
  val?: string;
  vals?: string[];
  nodes?: TagsFilter[];
}

export type TransportName = "websocket" | "http_stream" | "sse";

export interface Options {
  /** Where the server's routes are mounted, `/` by default: `connection/websocket` and the others lie beneath it. */
  url?: string;
  /** What is tried, in this order. What worked last in this tab is tried first. Default: all three. */
  transports?: TransportName[];
  /** A token to begin with. */
  token?: string;
  /**
   * Asked for a token when there is none, when it has expired, and shortly before. `null` ends the connection
   * (`disconnected` with code 1); an error is tried again.
   */
  getToken?: (about: {}) => string | null | Promise<string | null>;
  /** For the server's application, with each connection. */
  data?: unknown;
  /** The client's name and version, as the server's application hears them. Default: `squall.js` and nothing. */
  name?: string;
  version?: string;
  /** The first back-off is up to this, each further one up to twice as long, in milliseconds. Default: 500. */
  minDelay?: number;
  /** No back-off is longer, in milliseconds. Default: 20,000. */
  maxDelay?: number;
  /** How long an answer may take, in milliseconds. Default: 5,000. */
  timeout?: number;
  /** Whether it connects by itself. Default: yes. */
  connect?: boolean;
  /** Instead of the browser's: for tests and other places. */
  WebSocket?: any;
  fetch?: any;
  EventSource?: any;
}

export interface SubscribeOptions {
  /** A token to begin with. */
  token?: string;
  /** As in {@link Options}; `null` ends the subscription (`unsubscribed` with code 1). */
  getToken?: (about: { channel: string }) => string | null | Promise<string | null>;
  /** For the server's application. */
  data?: unknown;
  /** Go on from here: a page's own position, or one that was kept. */
  since?: Position;
  /** Ask that what was missed be recovered. Default: yes. */
  recoverable?: boolean;
  /** Ask to be told the position. Default: yes. */
  positioned?: boolean;
  /** Ask to be told who comes and goes. */
  joinLeave?: boolean;
  /** Ask for messages as what changed since the one before. */
  delta?: "fossil";
  /** Only these messages. */
  tagsFilter?: TagsFilter;
}

/** What a command was refused with. */
export class LiveError extends Error {
  /** As in Centrifugo; 1: no answer in time, 2: the connection was lost, 3: no transport, 4: a broken delta. */
  readonly code: number;
  /** Whether the same may work a little later. */
  readonly temporary: boolean;
  constructor(code: number, message: string, temporary?: boolean);
}

/** Messages between `from` and `to` may be lost: what is shown should be read anew. `null`: not known. */
export interface Gap {
  from: Position | null;
  to: Position | null;
}

export interface SquallEvents {
  connecting: { code: number; reason: string; transport: TransportName };
  connected: { client: string; data: unknown; transport: TransportName };
  /** It does not come back by itself. Codes below 1000 are ours: 0 asked for, 1 no token. */
  disconnected: { code: number; reason: string };
  /** The server said something to this client. */
  message: { data: any };
  error: { what: string; error: Error };
  /** Of channels that the server chose. */
  subscribed: { channel: string; recovered: boolean; wasRecovering: boolean; data: unknown };
  unsubscribed: { channel: string; code: number; reason: string };
  publication: Message & { channel: string };
  gap: Gap & { channel: string };
  join: { channel: string; info: ClientInfo };
  leave: { channel: string; info: ClientInfo };
}

export interface SubscriptionEvents {
  /** Each once, in the order of the channel. */
  message: Message;
  /** Said before anything that comes after it. */
  gap: Gap;
  subscribing: {};
  subscribed: { recovered: boolean; wasRecovering: boolean; data: unknown };
  /** It does not come back by itself. */
  unsubscribed: { code: number; reason: string };
  join: { info: ClientInfo };
  leave: { info: ClientInfo };
  error: { error: Error };
}

/** A connection to a server, and everything that goes over it. */
export class Squall extends EventTarget {
  constructor(options?: Options);
  readonly state: "disconnected" | "connecting" | "connected";
  /** The id that the server gave this connection. */
  readonly client: string;
  /** Which transport is used, or is tried next. */
  readonly transport: TransportName;
  connect(): void;
  /** Positions are kept: `connect()` goes on where it ended. */
  disconnect(): void;
  /** The subscription to a channel: the same one however often it is asked for, until it has ended. */
  subscribe(channel: string, options?: SubscribeOptions): Subscription;
  /** These wait for a connection, as long as for an answer. They fail with a {@link LiveError}. */
  publish(channel: string, data: unknown): Promise<void>;
  rpc(method: string, data?: unknown): Promise<any>;
  /** Says something that is not answered. */
  send(data: unknown): Promise<void>;
  presence(channel: string): Promise<Record<string, ClientInfo>>;
  presenceStats(channel: string): Promise<{ clients: number; users: number }>;
  /** `limit` 0 answers the position alone, -1 as many messages as may be. */
  history(
    channel: string,
    options?: { limit?: number; since?: Position; reverse?: boolean },
  ): Promise<{ messages: Message[]; offset: number; epoch: string }>;
  addEventListener<K extends keyof SquallEvents>(
    type: K,
    listener: (event: Event & SquallEvents[K]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
}

/** One channel, over however many connections. */
export class Subscription extends EventTarget {
  readonly channel: string;
  readonly state: "subscribing" | "subscribed" | "unsubscribed";
  /** Everything up to here was handed on. Keep it to go on from here another time. */
  readonly position: Position | null;
  /** Ends it. */
  unsubscribe(): void;
  publish(data: unknown): Promise<void>;
  presence(): Promise<Record<string, ClientInfo>>;
  presenceStats(): Promise<{ clients: number; users: number }>;
  history(options?: { limit?: number; since?: Position; reverse?: boolean }): ReturnType<Squall["history"]>;
  addEventListener<K extends keyof SubscriptionEvents>(
    type: K,
    listener: (event: Event & SubscriptionEvents[K]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
}
