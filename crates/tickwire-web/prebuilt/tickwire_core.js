/**
 * One client, driven by the page's module.
 */
export class Core {
    __destroy_into_raw() {
        const ptr = this.__wbg_ptr;
        this.__wbg_ptr = 0;
        CoreFinalization.unregister(this);
        return ptr;
    }
    free() {
        const ptr = this.__destroy_into_raw();
        wasm.__wbg_core_free(ptr, 0);
    }
    /**
     * Answers a question with JSON: `{"data":…}`, or `{"code":…,"message":…,"data":…}`. What is wrong with that, if anything.
     * @param {number} question
     * @param {string} answer
     * @returns {string | undefined}
     */
    answer(question, answer) {
        const val2 = +question;
        const ptr0 = passStringToWasm0(answer, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
        const len0 = WASM_VECTOR_LEN;
        const ret = wasm.core_answer(this.__wbg_ptr, val2, ptr0, len0);
        let v3;
        if (ret[0] !== 0) {
            v3 = getStringFromWasm0(ret[0], ret[1]);
            wasm.__wbindgen_free(ret[0], ret[1] * 1, 1);
        }
        return v3;
    }
    /**
     * An answer came to a request; status 0: there is none.
     * @param {number} now
     * @param {number} ticket
     * @param {number} status
     * @param {Uint8Array | number[]} body
     */
    answered(now, ticket, status, body) {
        const val2 = +now;
        const val3 = +ticket;
        const val4 = +status;
        const ptr0 = passArray8ToWasm0(body, wasm.__wbindgen_malloc);
        const len0 = WASM_VECTOR_LEN;
        wasm.core_answered(this.__wbg_ptr, val2, val3, val4, ptr0, len0);
    }
    /**
     * The body of the next request to send; `asked_ticket` and `asked_post` tell the rest of it.
     * @param {number} now
     * @returns {Uint8Array | undefined}
     */
    ask(now) {
        const ret = wasm.core_ask(this.__wbg_ptr, now);
        let v1;
        if (ret[0] !== 0) {
            v1 = getArrayU8FromWasm0(ret[0], ret[1]).slice();
            wasm.__wbindgen_free(ret[0], ret[1] * 1, 1);
        }
        return v1;
    }
    /**
     * Whether it carries frames to the server; else it waits there for some. An older request of the same way is given up.
     * @returns {boolean}
     */
    asked_post() {
        const ret = wasm.core_asked_post(this.__wbg_ptr);
        return ret !== 0;
    }
    /**
     * By which its answer is known; below 0: none is waited for.
     * @returns {number}
     */
    asked_ticket() {
        const ret = wasm.core_asked_ticket(this.__wbg_ptr);
        return ret;
    }
    /**
     * The credentials that were asked for, as JSON.
     * @param {number} namespace
     * @param {string} credentials
     */
    attach(namespace, credentials) {
        const val2 = +namespace;
        const ptr0 = passStringToWasm0(credentials, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
        const len0 = WASM_VECTOR_LEN;
        wasm.core_attach(this.__wbg_ptr, val2, ptr0, len0);
    }
    /**
     * Wants to be in one more namespace; its number, or -1 where it is in as many as it may be.
     * @param {string} name
     * @returns {number}
     */
    attach_to(name) {
        const ptr0 = passStringToWasm0(name, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
        const len0 = WASM_VECTOR_LEN;
        const ret = wasm.core_attach_to(this.__wbg_ptr, ptr0, len0);
        return ret;
    }
    /**
     * Where the buffer of doubles is in the module's memory.
     * @returns {number}
     */
    buffer() {
        const ret = wasm.core_buffer(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * How many doubles are in it.
     * @returns {number}
     */
    buffered() {
        const ret = wasm.core_buffered(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * Gives a request up.
     * @param {number} ask
     */
    cancel(ask) {
        wasm.core_cancel(this.__wbg_ptr, ask);
    }
    /**
     * Ends it all.
     */
    close() {
        wasm.core_close(this.__wbg_ptr);
    }
    /**
     * Asks for something in one tick: doubles in the order of the layout, and texts. What was wrong, if anything.
     * @param {number} room
     * @param {number} tick
     * @param {Float64Array | number[]} numbers
     * @param {string[]} texts
     * @returns {string | undefined}
     */
    command(room, tick, numbers, texts) {
        const val3 = +room;
        const val4 = +tick;
        let ptr0, len0, ptr1, len1;
        try {
            ptr0 = passArrayF64ToWasm0(numbers, wasm.__wbindgen_malloc);
            len0 = WASM_VECTOR_LEN;
            ptr1 = passArrayJsValueToWasm0(texts, wasm.__wbindgen_malloc);
            len1 = WASM_VECTOR_LEN;
        } catch (e) {
            if (ptr1) { wasm.__externref_drop_slice(ptr1, len1); wasm.__wbindgen_free(ptr1, len1 * 4, 4); }
            if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 8, 8); }
            throw e;
        }
        const ret = wasm.core_command(this.__wbg_ptr, val3, val4, ptr0, len0, ptr1, len1);
        let v5;
        if (ret[0] !== 0) {
            v5 = getStringFromWasm0(ret[0], ret[1]);
            wasm.__wbindgen_free(ret[0], ret[1] * 1, 1);
        }
        return v5;
    }
    /**
     * The next tick that wants a command; -1: none now.
     * @param {number} room
     * @param {number} now
     * @returns {number}
     */
    command_tick(room, now) {
        const ret = wasm.core_command_tick(this.__wbg_ptr, room, now);
        return ret;
    }
    /**
     * Makes the link over the socket as bad as one wants, both ways: ms of one way and by how much it varies, and the part of the frames that is
     * lost and comes again. Below 0: as it is.
     * @param {number} delay_ms
     * @param {number} jitter_ms
     * @param {number} loss
     */
    condition(delay_ms, jitter_ms, loss) {
        wasm.core_condition(this.__wbg_ptr, delay_ms, jitter_ms, loss);
    }
    /**
     * The same by the name of a profile; whether there is one.
     * @param {string} name
     * @returns {boolean}
     */
    condition_named(name) {
        const ptr0 = passStringToWasm0(name, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
        const len0 = WASM_VECTOR_LEN;
        const ret = wasm.core_condition_named(this.__wbg_ptr, ptr0, len0);
        return ret !== 0;
    }
    /**
     * The next thing that was predicted otherwise than the server had it, as JSON
     * `{"id":…,"mine":…,"tick":…,"component":…,"from":{…},"to":{…}}`.
     * @param {number} room
     * @returns {string | undefined}
     */
    correction_due(room) {
        const ret = wasm.core_correction_due(this.__wbg_ptr, room);
        let v1;
        if (ret[0] !== 0) {
            v1 = getStringFromWasm0(ret[0], ret[1]);
            wasm.__wbindgen_free(ret[0], ret[1] * 1, 1);
        }
        return v1;
    }
    /**
     * Wants a new room; `private`: one that is on no list.
     * @param {number} namespace
     * @param {string} kind
     * @param {string} attributes
     * @param {boolean} _private
     * @returns {number}
     */
    create(namespace, kind, attributes, _private) {
        const val3 = +namespace;
        const val4 = +_private;
        let ptr0, len0, ptr1, len1;
        try {
            ptr0 = passStringToWasm0(kind, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
            len0 = WASM_VECTOR_LEN;
            ptr1 = passStringToWasm0(attributes, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
            len1 = WASM_VECTOR_LEN;
        } catch (e) {
            if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 1, 1); }
            if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 1, 1); }
            throw e;
        }
        const ret = wasm.core_create(this.__wbg_ptr, val3, ptr0, len0, ptr1, len1, val4);
        return ret >>> 0;
    }
    /**
     * Nothing passes for so long, in either direction.
     * @param {number} now
     * @param {number} ms
     */
    cut(now, ms) {
        wasm.core_cut(this.__wbg_ptr, now, ms);
    }
    /**
     * Leaves a namespace, but the main one.
     * @param {number} namespace
     */
    detach(namespace) {
        wasm.core_detach(this.__wbg_ptr, namespace);
    }
    /**
     * Moves the room's picture to `now`; its time in ticks, or -1 while there is nothing to show.
     * @param {number} room
     * @param {number} now
     * @returns {number}
     */
    draw(room, now) {
        const ret = wasm.core_draw(this.__wbg_ptr, room, now);
        return ret;
    }
    /**
     * The next tick event whose moment has come in the picture, as JSON `{"name":…,"data":{…}}`.
     * @param {number} room
     * @returns {string | undefined}
     */
    event_due(room) {
        const ret = wasm.core_event_due(this.__wbg_ptr, room);
        let v1;
        if (ret[0] !== 0) {
            v1 = getStringFromWasm0(ret[0], ret[1]);
            wasm.__wbindgen_free(ret[0], ret[1] * 1, 1);
        }
        return v1;
    }
    /**
     * For how long pictures go on along velocities when updates stay away.
     * @param {number} ms
     */
    extrapolate(ms) {
        wasm.core_extrapolate(this.__wbg_ptr, ms);
    }
    /**
     * The room's figures as JSON, and whether the link is there.
     * @param {number} room
     * @param {number} now
     * @returns {string | undefined}
     */
    figures(room, now) {
        const ret = wasm.core_figures(this.__wbg_ptr, room, now);
        let v1;
        if (ret[0] !== 0) {
            v1 = getStringFromWasm0(ret[0], ret[1]);
            wasm.__wbindgen_free(ret[0], ret[1] * 1, 1);
        }
        return v1;
    }
    /**
     * Watches somebody of a namespace, or not any more.
     * @param {number} namespace
     * @param {string} identity
     * @param {boolean} follow
     */
    follow(namespace, identity, follow) {
        const val2 = +namespace;
        const val3 = +follow;
        const ptr0 = passStringToWasm0(identity, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
        const len0 = WASM_VECTOR_LEN;
        wasm.core_follow(this.__wbg_ptr, val2, ptr0, len0, val3);
    }
    /**
     * A frame came in by the socket.
     * @param {number} now
     * @param {Uint8Array | number[]} bytes
     */
    frame(now, bytes) {
        const val2 = +now;
        const ptr0 = passArray8ToWasm0(bytes, wasm.__wbindgen_malloc);
        const len0 = WASM_VECTOR_LEN;
        wasm.core_frame(this.__wbg_ptr, val2, ptr0, len0);
    }
    /**
     * All links are closed, after the last words on the socket; a polling one says its own by `ask`.
     * @param {number} now
     */
    hang_up(now) {
        wasm.core_hang_up(this.__wbg_ptr, now);
    }
    /**
     * Whether nobody looks at the page: its timers sleep then.
     * @param {boolean} hidden
     */
    hidden(hidden) {
        wasm.core_hidden(this.__wbg_ptr, hidden);
    }
    /**
     * Asks as the host of a room, by JSON `{"kick":member}` and the like: the number of the question; -1: that is not joined, or no question.
     * @param {number} room
     * @param {string} ask
     * @returns {number}
     */
    host(room, ask) {
        const val2 = +room;
        const ptr0 = passStringToWasm0(ask, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
        const len0 = WASM_VECTOR_LEN;
        const ret = wasm.core_host(this.__wbg_ptr, val2, ptr0, len0);
        return ret;
    }
    /**
     * Wants the room with that id.
     * @param {number} namespace
     * @param {string} id
     * @returns {number}
     */
    join(namespace, id) {
        const val2 = +namespace;
        const ptr0 = passStringToWasm0(id, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
        const len0 = WASM_VECTOR_LEN;
        const ret = wasm.core_join(this.__wbg_ptr, val2, ptr0, len0);
        return ret >>> 0;
    }
    /**
     * Wants the seat that is kept for this token.
     * @param {number} namespace
     * @param {string} token
     * @returns {number}
     */
    join_reserved(namespace, token) {
        const val2 = +namespace;
        const ptr0 = passStringToWasm0(token, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
        const len0 = WASM_VECTOR_LEN;
        const ret = wasm.core_join_reserved(this.__wbg_ptr, val2, ptr0, len0);
        return ret >>> 0;
    }
    /**
     * Does not want the room any more.
     * @param {number} room
     */
    leave(room) {
        wasm.core_leave(this.__wbg_ptr, room);
    }
    /**
     * Which link carries the session, "ws" or "poll".
     * @returns {string | undefined}
     */
    link() {
        const ret = wasm.core_link(this.__wbg_ptr);
        let v1;
        if (ret[0] !== 0) {
            v1 = getStringFromWasm0(ret[0], ret[1]);
            wasm.__wbindgen_free(ret[0], ret[1] * 1, 1);
        }
        return v1;
    }
    /**
     * The socket is lost; the close code, or 0.
     * @param {number} now
     * @param {number} code
     */
    link_lost(now, code) {
        wasm.core_link_lost(this.__wbg_ptr, now, code);
    }
    /**
     * The socket is open.
     * @param {number} now
     */
    link_open(now) {
        wasm.core_link_open(this.__wbg_ptr, now);
    }
    /**
     * Asks for the list of rooms.
     * @param {number} namespace
     * @param {string} kind
     * @returns {number}
     */
    lobby(namespace, kind) {
        const val2 = +namespace;
        const ptr0 = passStringToWasm0(kind, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
        const len0 = WASM_VECTOR_LEN;
        const ret = wasm.core_lobby(this.__wbg_ptr, val2, ptr0, len0);
        return ret >>> 0;
    }
    /**
     * Members of a room, as JSON.
     * @param {number} room
     * @returns {string}
     */
    members(room) {
        let deferred1_0;
        let deferred1_1;
        try {
            const ret = wasm.core_members(this.__wbg_ptr, room);
            deferred1_0 = ret[0];
            deferred1_1 = ret[1];
            return getStringFromWasm0(ret[0], ret[1]);
        } finally {
            wasm.__wbindgen_free(deferred1_0, deferred1_1, 1);
        }
    }
    /**
     * A client that wants to connect at once, to a main namespace; two halves of a random seed; the links that it may use: "auto", "ws" or
     * "poll".
     * @param {string} namespace
     * @param {number} seed_low
     * @param {number} seed_high
     * @param {number} now
     * @param {string} link
     * @param {Uint8Array | number[]} seat_key
     */
    constructor(namespace, seed_low, seed_high, now, link, seat_key) {
        const val4 = +seed_low;
        const val5 = +seed_high;
        const val6 = +now;
        let ptr0, len0, ptr1, len1, ptr2, len2;
        try {
            ptr0 = passStringToWasm0(namespace, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
            len0 = WASM_VECTOR_LEN;
            ptr1 = passStringToWasm0(link, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
            len1 = WASM_VECTOR_LEN;
            ptr2 = passArray8ToWasm0(seat_key, wasm.__wbindgen_malloc);
            len2 = WASM_VECTOR_LEN;
        } catch (e) {
            if (ptr2) { wasm.__wbindgen_free(ptr2, len2 * 1, 1); }
            if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 1, 1); }
            if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 1, 1); }
            throw e;
        }
        const ret = wasm.core_new(ptr0, len0, val4, val5, val6, ptr1, len1, ptr2, len2);
        this.__wbg_ptr = ret;
        CoreFinalization.register(this, this.__wbg_ptr, this);
        return this;
    }
    /**
     * The same of the newest update, beside the picture.
     * @param {number} room
     * @param {string} component
     * @returns {number}
     */
    newest_rows(room, component) {
        const val2 = +room;
        const ptr0 = passStringToWasm0(component, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
        const len0 = WASM_VECTOR_LEN;
        const ret = wasm.core_newest_rows(this.__wbg_ptr, val2, ptr0, len0);
        return ret >>> 0;
    }
    /**
     * The next frame to write to the socket.
     * @param {number} now
     * @param {number} writable
     * @returns {Uint8Array | undefined}
     */
    next(now, writable) {
        const ret = wasm.core_next(this.__wbg_ptr, now, writable);
        let v1;
        if (ret[0] !== 0) {
            v1 = getArrayU8FromWasm0(ret[0], ret[1]).slice();
            wasm.__wbindgen_free(ret[0], ret[1] * 1, 1);
        }
        return v1;
    }
    /**
     * When a tick will want a command; -1: not known.
     * @param {number} room
     * @returns {number}
     */
    next_command(room) {
        const ret = wasm.core_next_command(this.__wbg_ptr, room);
        return ret;
    }
    /**
     * When `timeout` is due; -1: never.
     * @returns {number}
     */
    next_timeout() {
        const ret = wasm.core_next_timeout(this.__wbg_ptr);
        return ret;
    }
    /**
     * A kept notice is done with.
     * @param {number} namespace
     * @param {number} cursor
     */
    notice_done(namespace, cursor) {
        wasm.core_notice_done(this.__wbg_ptr, namespace, cursor);
    }
    /**
     * A kept notice could not be taken.
     * @param {number} namespace
     * @param {number} cursor
     */
    notice_failed(namespace, cursor) {
        wasm.core_notice_failed(this.__wbg_ptr, namespace, cursor);
    }
    /**
     * What is known of somebody whom one follows, as JSON.
     * @param {number} namespace
     * @param {string} identity
     * @returns {string | undefined}
     */
    person(namespace, identity) {
        const val2 = +namespace;
        const ptr0 = passStringToWasm0(identity, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
        const len0 = WASM_VECTOR_LEN;
        const ret = wasm.core_person(this.__wbg_ptr, val2, ptr0, len0);
        let v3;
        if (ret[0] !== 0) {
            v3 = getStringFromWasm0(ret[0], ret[1]);
            wasm.__wbindgen_free(ret[0], ret[1] * 1, 1);
        }
        return v3;
    }
    /**
     * The next thing to do or to tell, as JSON.
     * @param {number} now
     * @returns {string | undefined}
     */
    poll(now) {
        const ret = wasm.core_poll(this.__wbg_ptr, now);
        let v1;
        if (ret[0] !== 0) {
            v1 = getStringFromWasm0(ret[0], ret[1]);
            wasm.__wbindgen_free(ret[0], ret[1] * 1, 1);
        }
        return v1;
    }
    /**
     * Wants a room of a kind; attributes as a JSON object of texts. `again`: the id of the room one was in, or "".
     * @param {number} namespace
     * @param {string} kind
     * @param {string} attributes
     * @param {string} again
     * @returns {number}
     */
    quick(namespace, kind, attributes, again) {
        const val4 = +namespace;
        let ptr0, len0, ptr1, len1, ptr2, len2;
        try {
            ptr0 = passStringToWasm0(kind, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
            len0 = WASM_VECTOR_LEN;
            ptr1 = passStringToWasm0(attributes, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
            len1 = WASM_VECTOR_LEN;
            ptr2 = passStringToWasm0(again, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
            len2 = WASM_VECTOR_LEN;
        } catch (e) {
            if (ptr2) { wasm.__wbindgen_free(ptr2, len2 * 1, 1); }
            if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 1, 1); }
            if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 1, 1); }
            throw e;
        }
        const ret = wasm.core_quick(this.__wbg_ptr, val4, ptr0, len0, ptr1, len1, ptr2, len2);
        return ret >>> 0;
    }
    /**
     * Says that one is ready, or is not any more; whether the room is joined.
     * @param {number} room
     * @param {boolean} ready
     * @returns {boolean}
     */
    ready(room, ready) {
        const ret = wasm.core_ready(this.__wbg_ptr, room, ready);
        return ret !== 0;
    }
    /**
     * No waiting for the back-off; what was over begins again.
     * @param {number} now
     */
    reconnect(now) {
        wasm.core_reconnect(this.__wbg_ptr, now);
    }
    /**
     * Asks the same way, by the request's name, from JSON; options `{"timeoutMs":…,"channel":…}`. The request's number, or what was wrong,
     * as JSON `{"code":…,"message":…}`.
     * @param {number} now
     * @param {number} to
     * @param {string} name
     * @param {string} message
     * @param {string} options
     * @returns {string}
     */
    request(now, to, name, message, options) {
        let deferred6_0;
        let deferred6_1;
        try {
            const val4 = +now;
            const val5 = +to;
            let ptr0, len0, ptr1, len1, ptr2, len2;
            try {
                ptr0 = passStringToWasm0(name, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
                len0 = WASM_VECTOR_LEN;
                ptr1 = passStringToWasm0(message, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
                len1 = WASM_VECTOR_LEN;
                ptr2 = passStringToWasm0(options, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
                len2 = WASM_VECTOR_LEN;
            } catch (e) {
                if (ptr2) { wasm.__wbindgen_free(ptr2, len2 * 1, 1); }
                if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 1, 1); }
                if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 1, 1); }
                throw e;
            }
            const ret = wasm.core_request(this.__wbg_ptr, val4, val5, ptr0, len0, ptr1, len1, ptr2, len2);
            deferred6_0 = ret[0];
            deferred6_1 = ret[1];
            return getStringFromWasm0(ret[0], ret[1]);
        } finally {
            wasm.__wbindgen_free(deferred6_0, deferred6_1, 1);
        }
    }
    /**
     * Writes a resource to the buffer: its fields; whether the room has it.
     * @param {number} room
     * @param {string} name
     * @returns {boolean}
     */
    resource(room, name) {
        const val2 = +room;
        const ptr0 = passStringToWasm0(name, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
        const len0 = WASM_VECTOR_LEN;
        const ret = wasm.core_resource(this.__wbg_ptr, val2, ptr0, len0);
        return ret !== 0;
    }
    /**
     * Writes the rows of a component in the picture to the buffer: id, mine, fields; how many rows.
     * @param {number} room
     * @param {string} component
     * @returns {number}
     */
    rows(room, component) {
        const val2 = +room;
        const ptr0 = passStringToWasm0(component, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
        const len0 = WASM_VECTOR_LEN;
        const ret = wasm.core_rows(this.__wbg_ptr, val2, ptr0, len0);
        return ret >>> 0;
    }
    /**
     * Sends a message, by its name, from JSON; to a room, or outside of rooms to a namespace (-1: the main one, and so on). Volatile: it may
     * be left out. What was wrong, if anything, as JSON `{"code":…,"message":…}`.
     * @param {number} to
     * @param {string} name
     * @param {string} message
     * @param {number} channel
     * @param {boolean} volatile
     * @returns {string | undefined}
     */
    send(to, name, message, channel, volatile) {
        const val3 = +to;
        const val4 = +channel;
        const val5 = +volatile;
        let ptr0, len0, ptr1, len1;
        try {
            ptr0 = passStringToWasm0(name, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
            len0 = WASM_VECTOR_LEN;
            ptr1 = passStringToWasm0(message, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
            len1 = WASM_VECTOR_LEN;
        } catch (e) {
            if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 1, 1); }
            if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 1, 1); }
            throw e;
        }
        const ret = wasm.core_send(this.__wbg_ptr, val3, ptr0, len0, ptr1, len1, val4, val5);
        let v6;
        if (ret[0] !== 0) {
            v6 = getStringFromWasm0(ret[0], ret[1]);
            wasm.__wbindgen_free(ret[0], ret[1] * 1, 1);
        }
        return v6;
    }
    /**
     * Seconds of the game from a tick to the moment at which the picture shows an entity; 0 before there is a picture.
     * @param {number} room
     * @param {number} id
     * @param {number} tick
     * @returns {number}
     */
    since(room, id, tick) {
        const ret = wasm.core_since(this.__wbg_ptr, room, id, tick);
        return ret;
    }
    /**
     * Says something of oneself in a room, for some milliseconds or for good (0). False: it passes, and there is no way now.
     * @param {number} room
     * @param {string} text
     * @param {number} expires_ms
     * @returns {boolean}
     */
    status(room, text, expires_ms) {
        const val2 = +room;
        const val3 = +expires_ms;
        const ptr0 = passStringToWasm0(text, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
        const len0 = WASM_VECTOR_LEN;
        const ret = wasm.core_status(this.__wbg_ptr, val2, ptr0, len0, val3);
        return ret !== 0;
    }
    /**
     * The same to those who follow one in a namespace.
     * @param {number} namespace
     * @param {string} text
     * @param {number} expires_ms
     * @returns {boolean}
     */
    status_outside(namespace, text, expires_ms) {
        const val2 = +namespace;
        const val3 = +expires_ms;
        const ptr0 = passStringToWasm0(text, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
        const len0 = WASM_VECTOR_LEN;
        const ret = wasm.core_status_outside(this.__wbg_ptr, val2, ptr0, len0, val3);
        return ret !== 0;
    }
    /**
     * A text that the doubles point to.
     * @param {number} index
     * @returns {string}
     */
    text(index) {
        let deferred1_0;
        let deferred1_1;
        try {
            const ret = wasm.core_text(this.__wbg_ptr, index);
            deferred1_0 = ret[0];
            deferred1_1 = ret[1];
            return getStringFromWasm0(ret[0], ret[1]);
        } finally {
            wasm.__wbindgen_free(deferred1_0, deferred1_1, 1);
        }
    }
    /**
     * Time has passed.
     * @param {number} now
     */
    timeout(now) {
        wasm.core_timeout(this.__wbg_ptr, now);
    }
    /**
     * Tells the others in a room that one is typing, or is not any more. False: there is no way now.
     * @param {number} room
     * @param {boolean} typing
     * @returns {boolean}
     */
    typing(room, typing) {
        const ret = wasm.core_typing(this.__wbg_ptr, room, typing);
        return ret !== 0;
    }
    /**
     * Ends it with the page, which perhaps comes again in a moment.
     */
    unload() {
        wasm.core_unload(this.__wbg_ptr);
    }
    /**
     * Watches it no more.
     * @param {number} request
     */
    unwatch_lobby(request) {
        wasm.core_unwatch_lobby(this.__wbg_ptr, request);
    }
    /**
     * The page slept, or the network came back.
     * @param {number} now
     */
    wake(now) {
        wasm.core_wake(this.__wbg_ptr, now);
    }
    /**
     * Wants to look on in the room with that id.
     * @param {number} namespace
     * @param {string} id
     * @returns {number}
     */
    watch(namespace, id) {
        const val2 = +namespace;
        const ptr0 = passStringToWasm0(id, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
        const len0 = WASM_VECTOR_LEN;
        const ret = wasm.core_watch(this.__wbg_ptr, val2, ptr0, len0);
        return ret >>> 0;
    }
    /**
     * Watches the list of rooms of a kind with these attributes.
     * @param {number} namespace
     * @param {string} kind
     * @param {string} attributes
     * @returns {number}
     */
    watch_lobby(namespace, kind, attributes) {
        const val3 = +namespace;
        let ptr0, len0, ptr1, len1;
        try {
            ptr0 = passStringToWasm0(kind, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
            len0 = WASM_VECTOR_LEN;
            ptr1 = passStringToWasm0(attributes, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
            len1 = WASM_VECTOR_LEN;
        } catch (e) {
            if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 1, 1); }
            if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 1, 1); }
            throw e;
        }
        const ret = wasm.core_watch_lobby(this.__wbg_ptr, val3, ptr0, len0, ptr1, len1);
        return ret >>> 0;
    }
}
if (Symbol.dispose) Core.prototype[Symbol.dispose] = Core.prototype.free;
function __wbg_get_imports() {
    const import0 = {
        __proto__: null,
        __wbg___wbindgen_string_get_7ce8eee7fd327545: function(arg0, arg1) {
            const obj = arg1;
            const ret = typeof(obj) === 'string' ? obj : undefined;
            var ptr1 = isLikeNone(ret) ? 0 : passStringToWasm0(ret, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
            var len1 = WASM_VECTOR_LEN;
            getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 1, len1, true);
            getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 0, ptr1, true);
        },
        __wbg___wbindgen_throw_4c88d8bf264fd984: function(arg0, arg1) {
            throw new Error(getStringFromWasm0(arg0, arg1));
        },
        __wbindgen_init_externref_table: function() {
            const table = wasm.__wbindgen_externrefs;
            table.set(0, undefined);
            table.set(1024, undefined);
            table.set(1025, null);
            table.set(1026, true);
            table.set(1027, false);
        },
    };
    return {
        __proto__: null,
        "./tickwire_core_bg.js": import0,
    };
}

const CoreFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : new FinalizationRegistry(ptr => wasm.__wbg_core_free(ptr, 1));

function addToExternrefTable0(obj) {
    const idx = wasm.__externref_table_alloc();
    wasm.__wbindgen_externrefs.set(idx, obj);
    return idx;
}

function getArrayU8FromWasm0(ptr, len) {
    ptr = ptr >>> 0;
    return getUint8ArrayMemory0().subarray(ptr / 1, ptr / 1 + len);
}

let cachedDataViewMemory0 = null;
function getDataViewMemory0() {
    if (cachedDataViewMemory0 === null || cachedDataViewMemory0.buffer.detached === true || (cachedDataViewMemory0.buffer.detached === undefined && cachedDataViewMemory0.buffer !== wasm.memory.buffer)) {
        cachedDataViewMemory0 = new DataView(wasm.memory.buffer);
    }
    return cachedDataViewMemory0;
}

let cachedFloat64ArrayMemory0 = null;
function getFloat64ArrayMemory0() {
    if (cachedFloat64ArrayMemory0 === null || cachedFloat64ArrayMemory0.byteLength === 0) {
        cachedFloat64ArrayMemory0 = new Float64Array(wasm.memory.buffer);
    }
    return cachedFloat64ArrayMemory0;
}

function getStringFromWasm0(ptr, len) {
    ptr = ptr >>> 0;
    return decodeText(getUint8ArrayMemory0().subarray(ptr, ptr + len));
}

let cachedUint8ArrayMemory0 = null;
function getUint8ArrayMemory0() {
    if (cachedUint8ArrayMemory0 === null || cachedUint8ArrayMemory0.byteLength === 0) {
        cachedUint8ArrayMemory0 = new Uint8Array(wasm.memory.buffer);
    }
    return cachedUint8ArrayMemory0;
}

function isLikeNone(x) {
    return x === undefined || x === null;
}

function passArray8ToWasm0(arg, malloc) {
    const ptr = malloc(arg.length * 1, 1) >>> 0;
    getUint8ArrayMemory0().set(arg, ptr / 1);
    WASM_VECTOR_LEN = arg.length;
    return ptr;
}

function passArrayF64ToWasm0(arg, malloc) {
    const ptr = malloc(arg.length * 8, 8) >>> 0;
    getFloat64ArrayMemory0().set(arg, ptr / 8);
    WASM_VECTOR_LEN = arg.length;
    return ptr;
}

function passArrayJsValueToWasm0(array, malloc) {
    const ptr = malloc(array.length * 4, 4) >>> 0;
    for (let i = 0; i < array.length; i++) {
        const add = addToExternrefTable0(array[i]);
        getDataViewMemory0().setUint32(ptr + 4 * i, add, true);
    }
    WASM_VECTOR_LEN = array.length;
    return ptr;
}

function passStringToWasm0(arg, malloc, realloc) {
    if (realloc === undefined) {
        const buf = cachedTextEncoder.encode(arg);
        const ptr = malloc(buf.length, 1) >>> 0;
        getUint8ArrayMemory0().subarray(ptr, ptr + buf.length).set(buf);
        WASM_VECTOR_LEN = buf.length;
        return ptr;
    }

    let len = arg.length;
    let ptr = malloc(len, 1) >>> 0;

    const mem = getUint8ArrayMemory0();

    let offset = 0;

    for (; offset < len; offset++) {
        const code = arg.charCodeAt(offset);
        if (code > 0x7F) break;
        mem[ptr + offset] = code;
    }
    if (offset !== len) {
        if (offset !== 0) {
            arg = arg.slice(offset);
        }
        ptr = realloc(ptr, len, len = offset + arg.length * 3, 1) >>> 0;
        const view = getUint8ArrayMemory0().subarray(ptr + offset, ptr + len);
        const ret = cachedTextEncoder.encodeInto(arg, view);

        offset += ret.written;
        ptr = realloc(ptr, len, offset, 1) >>> 0;
    }

    WASM_VECTOR_LEN = offset;
    return ptr;
}

let cachedTextDecoder = new TextDecoder('utf-8', { ignoreBOM: true });
cachedTextDecoder.decode();
const MAX_SAFARI_DECODE_BYTES = 2146435072;
let numBytesDecoded = 0;
function decodeText(bytes) {
    numBytesDecoded += bytes.length;
    if (numBytesDecoded >= MAX_SAFARI_DECODE_BYTES) {
        cachedTextDecoder = new TextDecoder('utf-8', { ignoreBOM: true });
        cachedTextDecoder.decode();
        numBytesDecoded = bytes.length;
    }
    return cachedTextDecoder.decode(bytes);
}

const cachedTextEncoder = new TextEncoder();

if (!('encodeInto' in cachedTextEncoder)) {
    cachedTextEncoder.encodeInto = function (arg, view) {
        const buf = cachedTextEncoder.encode(arg);
        view.set(buf);
        return {
            read: arg.length,
            written: buf.length
        };
    };
}

let WASM_VECTOR_LEN = 0;

let wasmModule, wasmInstance, wasm;
function __wbg_finalize_init(instance, module) {
    wasmInstance = instance;
    wasm = instance.exports;
    wasmModule = module;
    cachedDataViewMemory0 = null;
    cachedFloat64ArrayMemory0 = null;
    cachedUint8ArrayMemory0 = null;
    wasm.__wbindgen_start();
    return wasm;
}

async function __wbg_load(module, imports) {
    if (typeof Response === 'function' && module instanceof Response) {
        if (!module.ok) {
            throw new Error(`failed to fetch Wasm: ${module.status} ${module.statusText} fetching '${module.url}'`);
        }

        if (typeof WebAssembly.instantiateStreaming === 'function') {
            try {
                return await WebAssembly.instantiateStreaming(module, imports);
            } catch (e) {
                const validResponse = expectedResponseType(module.type);

                if (validResponse && module.headers.get('Content-Type') !== 'application/wasm') {
                    console.warn("`WebAssembly.instantiateStreaming` failed because your server does not serve Wasm with `application/wasm` MIME type. Falling back to `WebAssembly.instantiate` which is slower. Original error:\n", e);

                } else { throw e; }
            }
        }

        const bytes = await module.arrayBuffer();
        return await WebAssembly.instantiate(bytes, imports);
    } else {
        const instance = await WebAssembly.instantiate(module, imports);

        if (instance instanceof WebAssembly.Instance) {
            return { instance, module };
        } else {
            return instance;
        }
    }

    function expectedResponseType(type) {
        switch (type) {
            case 'basic': case 'cors': case 'default': return true;
        }
        return false;
    }
}

function initSync(module) {
    if (wasm !== undefined) return wasm;


    if (module !== undefined) {
        if (Object.getPrototypeOf(module) === Object.prototype) {
            ({module} = module)
        } else {
            console.warn('using deprecated parameters for `initSync()`; pass a single object instead')
        }
    }

    const imports = __wbg_get_imports();
    if (!(module instanceof WebAssembly.Module)) {
        module = new WebAssembly.Module(module);
    }
    const instance = new WebAssembly.Instance(module, imports);
    return __wbg_finalize_init(instance, module);
}

let __wbg_init_promise;
async function __wbg_init(module_or_path) {
    if (wasm !== undefined) return wasm;
    if (__wbg_init_promise === undefined) {
        __wbg_init_promise = __wbg_init_once(module_or_path);
        __wbg_init_promise.catch(() => { __wbg_init_promise = undefined; });
    }
    return __wbg_init_promise;
}

async function __wbg_init_once(module_or_path) {

    if (module_or_path !== undefined) {
        if (Object.getPrototypeOf(module_or_path) === Object.prototype) {
            ({module_or_path} = module_or_path)
        } else {
            console.warn('using deprecated parameters for the initialization function; pass a single object instead')
        }
    }

    if (module_or_path === undefined) {
        module_or_path = new URL('tickwire_core_bg.wasm', import.meta.url);
    }
    const imports = __wbg_get_imports();

    if (typeof module_or_path === 'string' || (typeof Request === 'function' && module_or_path instanceof Request) || (typeof URL === 'function' && module_or_path instanceof URL)) {
        module_or_path = fetch(module_or_path);
    }

    const { instance, module } = await __wbg_load(await module_or_path, imports);

    return __wbg_finalize_init(instance, module);
}

export { initSync, __wbg_init as default };
