/**
 * Connections. A command connection is never shared with BullMQ's blocking reads.
 *
 * ioredis re-sends a command whose reply was lost. That is what we want: every script of ours is safe to run twice,
 * so a lost reply, a restart or a half-open link ends in the same state as an undisturbed call. A server that says it is
 * a replica by now (READONLY) is left for whoever took its place, and the command is sent there.
 */
import { Redis, type Callback, type Command, type RedisOptions } from "ioredis";
import type { Keys } from "./keys.ts";
import { keysOf } from "./keys.ts";
import { redisOptions } from "./redis-address.ts";

/** As ioredis says it: BullMQ knows by these words that a connection was lost. */
const CLOSED = "Connection is closed.";
/** How long a closed connection may take to say so. A program that has done its work waits for it. */
const CLOSE_MS = 100;

export interface Store {
  redis: Redis;
  keys: Keys;
  fleet: string;
}

/** Those that nobody opens again. Not a field of theirs, since ioredis connects before there are any. */
const OVER = new WeakSet<Redis>();

/**
 * Ends when it is told to, whatever state it is in. Between two tries to connect ioredis 6.0 has nothing to close, so it never
 * says that it has ended: what waits for an answer waits for ever, and so does BullMQ, which closes a worker only after the
 * end of its blocking connection.
 */
class EndingRedis extends Redis {
  /** BullMQ makes its blocking connections by `duplicate`, and opens them again by itself. */
  readonly #duplicates: EndingRedis[] = [];

  override connect(callback?: Callback<void>): Promise<void> {
    return OVER.has(this) ? Promise.reject(new Error(CLOSED)) : super.connect(callback);
  }

  override disconnect(reconnect = false): void {
    // As one that was never connected: that is ended at once.
    if (!reconnect && this.status === "reconnecting") this.status = "wait";
    super.disconnect(reconnect);
  }

  override duplicate(more?: Partial<RedisOptions>): Redis {
    const Same = this.constructor as new (options: RedisOptions) => EndingRedis;
    const duplicate = new Same({ ...this.options, ...more });
    this.#duplicates.push(duplicate);
    return quiet(duplicate);
  }

  endForGood(): void {
    OVER.add(this);
    for (const one of this.#duplicates) one.endForGood();
    this.disconnect();
  }
}

/** As `disconnect`; and nobody opens it again, nor what was made from it. */
export function endForGood(redis: Redis): void {
  if (redis instanceof EndingRedis) redis.endForGood();
  else redis.disconnect();
}

/**
 * Sends the commands of one turn of the event loop in one packet. A write of its own for each costs more than most of the
 * commands themselves, here and in Redis. No command waits longer than the turn lasts.
 */
class PacketRedis extends EndingRedis {
  #holding = false;

  override sendCommand(command: Command, stream?: Parameters<Redis["sendCommand"]>[1]): unknown {
    this.#holdUntilTurnEnds();
    return super.sendCommand(command, stream);
  }

  #holdUntilTurnEnds(): void {
    // There is none before the first connection.
    const socket = this.stream as Redis["stream"] | undefined;
    if (this.#holding || socket === undefined) return;
    this.#holding = true;
    socket.cork();
    setImmediate(() => {
      this.#holding = false;
      socket.uncork();
    });
  }
}

/** A link that stays silent this long with an answer due is taken for dead and opened anew. */
const SILENT_LINK_MS = 10_000;
/** BullMQ blocks for ten seconds at most, and the intake for less. */
const SILENT_BLOCKING_LINK_MS = 15_000;

/** For long-lived processes: waits out an unreachable Redis as long as it takes. */
export function connectPatiently(url: string): Redis {
  return quiet(
    new PacketRedis({
      ...common(url),
      maxRetriesPerRequest: null,
      socketTimeout: SILENT_LINK_MS,
      retryStrategy: reconnectAfter,
    }),
  );
}

/**
 * For blocking reads. A primary that is frozen or cut off keeps its connections open, and only silence tells that another
 * took its place. (ioredis can also listen to sentinels for that; when it hears of it while it reconnects already, as
 * after a death, that client ends for good.)
 */
export function connectForBlocking(url: string): Redis {
  return quiet(
    new PacketRedis({
      ...common(url),
      maxRetriesPerRequest: null,
      socketTimeout: SILENT_BLOCKING_LINK_MS,
      retryStrategy: reconnectAfter,
    }),
  );
}

/** For commands a person waits for: an unreachable Redis is an error within seconds, not a hanging prompt. */
export function connectForCommand(url: string): Redis {
  return quiet(
    new EndingRedis({
      ...common(url),
      maxRetriesPerRequest: 2,
      connectTimeout: 3_000,
      commandTimeout: 10_000,
      retryStrategy: (times) => (times > 3 ? null : 200),
    }),
  );
}

/** For requests over HTTP: while Redis is away they are told so within seconds, and once it is back they go on. */
export function connectForRequests(url: string): Redis {
  return quiet(
    new EndingRedis({
      ...common(url),
      maxRetriesPerRequest: 1,
      connectTimeout: 3_000,
      commandTimeout: 5_000,
      retryStrategy: reconnectAfter,
    }),
  );
}

export function openStore(redis: Redis, fleet: string): Store {
  return { redis, keys: keysOf(fleet), fleet };
}

/** The time that counts: the clock of Redis, in epoch milliseconds. */
export async function redisNow(store: Store): Promise<number> {
  const [seconds, micros] = await store.redis.time();
  return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
}

/** 2: reconnect, and send the command again. */
const RECONNECT_AND_SEND = 2;

function common(url: string) {
  return {
    ...redisOptions(url),
    disconnectTimeout: CLOSE_MS,
    reconnectOnError: (error) => (error.message.startsWith("READONLY") ? RECONNECT_AND_SEND : false),
  } satisfies RedisOptions;
}

function reconnectAfter(times: number): number {
  return Math.min(50 * times, 1_000);
}

/** Without a listener ioredis prints every failed reconnect; a lost link shows in the calls that wait for it. */
function quiet(redis: Redis): Redis {
  redis.on("error", () => undefined);
  redis.on("end", () => rejectKept(redis));
  return redis;
}

/** What was on its way when the connection broke is kept for the next one, and forgotten where there will be none. */
function rejectKept(redis: Redis): void {
  const { prevCommandQueue: kept } = redis as unknown as {
    prevCommandQueue?: { shift(): { command: Command } | undefined } | null;
  };
  for (let item = kept?.shift(); item !== undefined; item = kept?.shift())
    item.command.reject(new Error(CLOSED));
}
