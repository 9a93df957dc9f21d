// Types of Segue's client.

type Text = string | null | undefined;

/**
 * The token, or who gives it: asked before every connection. `renew`: the service says that the last one does not hold;
 * giving nothing then means that there is no other.
 */
export type Token = string | ((why: { renew: boolean }) => Text | Promise<Text>);

/** Where the service is and who we are to it. */
export interface GatewayOptions {
    /** http(s) address of the gateway; needed unless this module was loaded from it. */
    url?: string | URL;
    token?: Token;
    /** Where there is no global one (Node below 22: the package `ws`), or another is wanted. */
    WebSocket?: unknown;
}

/**
 * closed: by us; connecting; online; waiting: for the next attempt; expired: the token (4401), and there is no other;
 * refused: the service is ready and does not accept us; stopped: an operator has disconnected the user (4403).
 */
export type Status = "closed" | "connecting" | "online" | "waiting" | "expired" | "refused" | "stopped";

/** Takes a handler off again. */
export type Off = () => void;

type Handler<Arguments extends unknown[]> = (...args: Arguments) => unknown;

export class Emitter<Told extends { [Event in keyof Told]: unknown[] }> {
    /** A handler that throws is reported, and the others go on. */
    on<Event extends keyof Told>(event: Event, handler: Handler<Told[Event]>): Off;
}

export class Observable<Value> {
    readonly value: Value;
    /** The observer is told the present value at once. */
    subscribe(observer: ((value: Value) => void) | { next(value: Value): void }): Off & { unsubscribe: Off };
}

// --- player

export type TrackId = number | string;

export interface PlayerState {
    trackId: TrackId;
    fromIs: string;
    fromIsId: TrackId;
    paused: boolean;
    /** Seconds, at `time`. */
    position: number;
    /** Of the last change: milliseconds since 1970, by the server's clock. */
    time: number;
}

export type Change = "new_track" | "on_pause" | "off_pause" | "change_position";

export interface PlayerOptions extends GatewayOptions {
    /** Whether the track is paused when the page goes; asked then. Default: yes. */
    pauseOnLeave?: boolean | ((player: Player) => boolean);
    /** What tells `pagehide`: the window, unless told otherwise. */
    page?: EventTarget | null;
}

export interface Clock {
    now(): number;
    /** Milliseconds by which the server's clock is ahead of ours. */
    readonly offset: number;
    /** The newest round trip in milliseconds. */
    readonly latency: number | undefined;
}

export interface PlayerEvents {
    state: [state: PlayerState | null, whose: "self" | "other" | "server", type?: Change];
    status: [status: Status];
    refused: [why: { code: "invalid_format" | "unavailable"; reason?: string }];
    clock: [clock: Clock];
    in: [text: string, kind: string];
    out: [text: string];
}

export class Player extends Emitter<PlayerEvents> {
    /** What plays; null when nothing does, or while the server has not said. */
    readonly state: PlayerState | null;
    /** The server has said what the state is. */
    readonly known: boolean;
    /** Of the last state that the server sent. */
    readonly seq: number | undefined;
    readonly devices: number | undefined;
    readonly status: Status;
    readonly reason: string;
    /** While waiting: when the next attempt is due, in milliseconds since 1970. */
    readonly retryAt: number;
    readonly clock: Clock;
    readonly online: boolean;
    readonly playing: boolean;
    /** Seconds into the track, now. */
    readonly position: number;
    connect(): void;
    disconnect(): void;
    retry(): void;
    /** False: it has no meaning, because nothing plays. Without a connection it is kept, and sent once. */
    play(): boolean;
    pause(): boolean;
    toggle(): boolean;
    seek(seconds: number): boolean;
    newTrack(track: { trackId: TrackId; fromIs?: string; fromIsId?: TrackId }): boolean;
}

export function player(options?: PlayerOptions): Player;

// --- carplay

export interface PlaybackState {
    userId?: number | string;
    isPlaying: boolean;
    /** Seconds. */
    currentTime: number;
    duration?: number;
    /** null: nothing plays. */
    mediaId?: number | string | null;
    mediaTitle?: string;
    mediaArtist?: string;
    mediaAlbum?: string;
    mediaType?: "music" | "video" | (string & {});
}

export interface CarPlayCommand {
    command: "play" | "pause" | "next" | "previous" | "seek";
    /** Seconds, for seek. */
    value?: number;
}

export interface Answer {
    ok: boolean;
    /** What everybody knew already was not sent. */
    unchanged?: boolean;
    error?: string;
    message?: string;
}

export interface SocketOptions extends GatewayOptions {
    /** The official client (`io` of socket.io-client 3 or 4), when that should be used. */
    io?: unknown;
}

export interface CarplayOptions extends SocketOptions {
    /** Where the native application posts its messages: the window, unless told otherwise. */
    window?: EventTarget | null;
}

export interface CarplayEvents {
    /** Where something plays, its state follows, unless it is known. */
    connect: [how: { recovered: boolean }];
    state: [state: PlaybackState];
    command: [command: CarPlayCommand];
    status: [status: Status];
    error: [error: { code: string; message: string }];
}

export class Carplay extends Emitter<CarplayEvents> {
    readonly state: PlaybackState | null;
    readonly status: Status;
    readonly reason: string;
    /** While waiting: when the next attempt is due; 0 with the official client, which does not tell. */
    readonly retryAt: number;
    connect(onState?: (state: PlaybackState) => void, onCommand?: (command: CarPlayCommand) => void): void;
    disconnect(): void;
    isConnected(): boolean;
    retry(): void;
    sendPlaybackState(state: PlaybackState): Promise<Answer>;
    sendCommand(command: CarPlayCommand): Promise<Answer>;
    sendCommand(command: CarPlayCommand["command"], value?: number | null): Promise<Answer>;
}

export function carplay(options?: CarplayOptions): Carplay;

// --- events

export type Action = "assetUploaded" | "assetDelete" | "assetHidden" | "assetTrash";
export type Connection = "disconnected" | "connected" | "reconnecting";
export type ListenerSet = "standard" | "beta";

export interface Batch<Asset = unknown> {
    action: Action;
    /** Every one once, in the order in which they came. */
    ids: (string | number)[];
    /** Of uploads: what the event said, one for each id. Of others: the ids. */
    data: Asset[];
}

export interface PendingChange {
    action: Action;
    id: string | number;
    data: unknown;
    /** When it came, in milliseconds since 1970. */
    at: number;
}

export interface EventsOptions extends SocketOptions {
    listeners?: ListenerSet;
    /** Milliseconds after the last event: 500. */
    quiet?: number;
    /** The same for uploads: 5000 ... */
    batchQuiet?: number;
    /** ... and the longest wait after the first one: 10000. */
    batchLongest?: number;
    /** How long the connection is kept in the background, in milliseconds: 10000. */
    background?: number;
    log?: (...words: unknown[]) => void;
}

export class Events {
    readonly connection: Observable<Connection>;
    readonly isConnected: boolean;
    readonly status: Status;
    readonly reason: string;
    readonly retryAt: number;
    readonly pendingChanges: PendingChange[];
    constructor(options: EventsOptions);
    /** One call per batch. */
    on<Asset = unknown>(event: Action, handler: (batch: Batch<Asset>) => unknown): Off;
    /** After every connection; recovered: nothing was missed. */
    on(event: "connect", handler: (how: { recovered: boolean }) => unknown): Off;
    /** Changes that were given up while nobody looked: refresh. */
    on(event: "stale", handler: (changes: PendingChange[]) => unknown): Off;
    /** Any event of the server. */
    on(event: string, handler: (...args: any[]) => unknown): Off;
    listenTo(set: ListenerSet): void;
    connect(): void;
    disconnect(): void;
    foreground(): void;
    background(): void;
    logout(): void;
    /** Foreground and background are those of the page. */
    followPage(page?: Document): Off;
}

export function events(options?: EventsOptions): Events;

// --- rooms

export interface Message {
    id: string;
    /** null: from the server API. */
    clientId: string | null;
    name?: string;
    text: string;
    at: Date;
    mine: boolean;
}

export interface PendingMessage {
    text: string;
    name?: string;
    failed: boolean;
}

export interface RoomEvents {
    entered: [how: { isBack: boolean }];
    message: [message: Message];
    gap: [];
    joined: [who: { clientId: string; members: number }];
    left: [who: { clientId: string; members: number }];
    pending: [messages: PendingMessage[]];
    refused: [why: { code: string; message: string }];
    status: [status: Status];
}

export class Room extends Emitter<RoomEvents> {
    /** Empty until a new room has been made. */
    readonly id: string;
    readonly clientId: string;
    readonly members: number;
    readonly pending: PendingMessage[];
    readonly isIn: boolean;
    readonly status: Status;
    readonly reason: string;
    readonly retryAt: number;
    open(): void;
    leave(): void;
    retry(): void;
    /** False: it could not be sent, and nothing has happened. */
    say(text: string, name?: string): boolean;
    sayAgain(message: PendingMessage): void;
    forget(message: PendingMessage): void;
}

export function rooms(options?: GatewayOptions): { enter(id?: string): Room };

// --- feed

export interface FeedOptions extends GatewayOptions {
    /** Default: wisdom. */
    topic?: string;
}

export interface FeedEvents {
    message: [text: string, from: { server: string }];
    subscribed: [is: boolean];
    refused: [why: { code: string; message: string }];
    status: [status: Status];
}

export class Feed extends Emitter<FeedEvents> {
    readonly server: string;
    readonly isConnected: boolean;
    readonly isSubscribed: boolean;
    readonly isWanted: boolean;
    readonly status: Status;
    readonly reason: string;
    readonly retryAt: number;
    connect(): void;
    disconnect(): void;
    retry(): void;
    subscribe(): void;
    unsubscribe(): void;
}

export function feed(options?: FeedOptions): Feed;

// --- Socket.IO, for what is not above

export interface SocketIOOptions {
    url: string | URL | (() => string | URL);
    /** What CONNECT brings along, asked again for every connection. */
    auth?: object | (() => object | null | Promise<object | null>);
    /** Ask for connection state recovery. Default: yes. */
    recovery?: boolean;
    /** Milliseconds that a request waits for its answer: 10000. */
    answerLimit?: number;
    renew?: () => boolean | Promise<boolean>;
    onStatus?: (io: SocketIO) => void;
    WebSocket?: unknown;
}

export class SocketIO {
    readonly status: Status;
    readonly reason: string;
    readonly retryAt: number;
    readonly isResting: boolean;
    constructor(options: SocketIOOptions);
    of(namespace?: string): Socket;
    open(): void;
    close(): void;
    retry(): void;
    refresh(): void;
}

export interface Socket {
    readonly namespace: string;
    readonly id: string;
    readonly isConnected: boolean;
    readonly recovered: boolean;
    on(event: "connect", handler: (how: { recovered: boolean }) => unknown): Off;
    on(event: string, handler: (...args: any[]) => unknown): Off;
    emit(event: string, ...args: unknown[]): boolean;
    request<Reply = unknown>(event: string, ...args: unknown[]): Promise<Reply>;
    open(): void;
    close(): void;
}

/** Why a request has no answer. */
export class RequestError extends Error {
    readonly code: "offline" | "disconnected" | "timeout";
}
