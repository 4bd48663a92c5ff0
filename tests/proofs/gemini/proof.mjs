// Google's JavaScript SDK holds a conversation with gemini-sim.
//
// Arguments: the wss:// and the ws:// base URL, the right key, and a folder with the caller's lines as raw 16 kHz PCM.
// Trust the simulator's authority with NODE_EXTRA_CA_CERTS.

import { GoogleGenAI, Modality } from '@google/genai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const MODEL = 'gemini-3.8-live';
const FRAME = 640; // bytes: 20 ms at 16 kHz
const [wss, ws, key, folder] = process.argv.slice(2);

let passed = 0;

/** Prints one line for a fact, and ends the run when it is none. */
function proven(fact, holds, detail = '') {
  if (!holds) {
    console.log(`FAILED  ${fact}: ${detail}\n${passed} passed, 1 failed`);
    process.exit(1);
  }
  passed += 1;
  console.log(`ok      ${fact}${detail && ': '}${detail}`);
}

function rmsDbfs(pcm) {
  const samples = new Int16Array(pcm.buffer, pcm.byteOffset, pcm.length >> 1);
  const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / Math.max(samples.length, 1);
  return power ? 10 * Math.log10(power / 32768 ** 2) : -120;
}

const config = (handle) => ({
  responseModalities: [Modality.AUDIO],
  speechConfig: { voiceConfig: { prebuiltVoiceConfig: { voiceName: 'Kore' } } },
  systemInstruction: 'You answer the phone of a dental clinic.',
  tools: [{ functionDeclarations: [{
    name: 'find_free_slots',
    description: 'List free slots on one day.',
    parameters: { type: 'OBJECT', properties: { day: { type: 'STRING' } }, required: ['day'] },
  }] }],
  realtimeInputConfig: { automaticActivityDetection: { silenceDurationMs: 600 } },
  inputAudioTranscription: {},
  outputAudioTranscription: {},
  sessionResumption: handle ? { handle } : {},
  contextWindowCompression: { slidingWindow: {} },
});

/** One connection: collects messages, and hands them out turn by turn. */
class Talk {
  #messages = [];
  #wake = () => {};
  #speech = Buffer.alloc(0);
  #sent = 0;
  closed = null;
  handle = null;

  static async connect(base, apiKey, { handle, model = MODEL } = {}) {
    const baseUrl = base.replace(/^ws/, 'http');
    const ai = new GoogleGenAI({ apiKey, httpOptions: { baseUrl, apiVersion: 'v1beta' } });
    const talk = new Talk();
    talk.session = await ai.live.connect({
      model,
      config: config(handle),
      callbacks: {
        onmessage: (message) => talk.#take(message),
        onerror: (event) => talk.#end({ code: 0, reason: String(event.message ?? event) }),
        onclose: (event) => talk.#end(event),
      },
    });
    return talk;
  }

  #take(message) {
    const update = message.sessionResumptionUpdate;
    if (update?.resumable && update.newHandle) this.handle = update.newHandle;
    this.#messages.push(message);
    this.#wake();
  }

  #end(event) {
    this.closed ??= { code: event.code, reason: event.reason };
    this.#wake();
  }

  async #next() {
    const deadline = AbortSignal.timeout(20_000);
    while (!this.#messages.length) {
      if (this.closed) throw new Error(`closed with ${this.closed.code} ${this.closed.reason}`);
      await new Promise((resolve, reject) => {
        this.#wake = resolve;
        deadline.addEventListener('abort', () => reject(new Error('nothing came for 20 s')), { once: true });
      });
    }
    return this.#messages.shift();
  }

  say(pcm) {
    this.#speech = Buffer.concat([this.#speech, pcm]);
  }

  /** Sends audio until the connection ends: speech when there is some, else silence. */
  microphone() {
    const started = performance.now();
    this.timer = setInterval(() => {
      for (; this.#sent * 20 <= performance.now() - started; this.#sent += 1) {
        const frame = Buffer.alloc(FRAME);
        this.#speech.copy(frame, 0, 0, FRAME);
        this.#speech = this.#speech.subarray(FRAME);
        this.session.sendRealtimeInput({ audio: { data: frame.toString('base64'), mimeType: 'audio/pcm;rate=16000' } });
      }
    }, 10);
  }

  /** Everything up to turnComplete. */
  async turn({ onCall, atFirstAudio } = {}) {
    const turn = { said: '', heard: '', audio: [], interrupted: false, generated: false, usage: null };
    for (;;) {
      const message = await this.#next();
      if (message.toolCall) onCall?.(message.toolCall.functionCalls);
      const content = message.serverContent ?? {};
      for (const part of content.modelTurn?.parts ?? []) {
        if (!part.inlineData) continue;
        turn.audio.push(Buffer.from(part.inlineData.data, 'base64'));
        atFirstAudio?.();
        atFirstAudio = undefined;
      }
      turn.said += content.outputTranscription?.text ?? '';
      turn.heard += content.inputTranscription?.text ?? '';
      turn.interrupted ||= Boolean(content.interrupted);
      turn.generated ||= Boolean(content.generationComplete);
      turn.usage ??= message.usageMetadata ?? null;
      if (content.turnComplete) return { ...turn, audio: Buffer.concat(turn.audio) };
    }
  }

  async waitForHandle() {
    while (!this.handle) await this.#next();
    return this.handle;
  }

  async close() {
    clearInterval(this.timer);
    this.session.close();
    while (!this.closed) await new Promise((resolve) => { this.#wake = resolve; });
  }
}

async function converse(base, lines) {
  const talk = await Talk.connect(base, key);
  talk.session.sendClientContent({ turnComplete: true });
  const greeting = await talk.turn();
  proven('greets aloud', greeting.audio.length > 48_000 && rmsDbfs(greeting.audio) > -35,
    `${(greeting.audio.length / 48_000).toFixed(1)} s at ${rmsDbfs(greeting.audio).toFixed(0)} dBFS, '${greeting.said}'`);
  proven('transcribes what it says', greeting.said.startsWith('Riverside Clinic'));
  proven('generationComplete precedes turnComplete', greeting.generated);
  proven('counts tokens', greeting.usage?.responseTokenCount > 0);

  talk.microphone();
  talk.say(lines.hours);
  const answer = await talk.turn();
  proven('understands a spoken line', answer.heard === 'What are your opening hours?', answer.heard);
  proven('answers it', answer.said.includes('eight in the morning') && rmsDbfs(answer.audio) > -35, answer.said);

  const onCall = ([call]) => {
    proven('calls a tool with arguments', call.name === 'find_free_slots' && call.args.day === '2026-11-24',
      `${call.name} ${JSON.stringify(call.args)}`);
    talk.session.sendToolResponse({
      functionResponses: [{ id: call.id, name: call.name, response: { output: { slots: ['09:20'] } } }],
    });
  };
  talk.say(lines.appointment);
  const booking = await talk.turn({ onCall });
  proven("speaks after the tool's response", booking.said.includes('twenty past nine'), booking.said);

  talk.say(lines.hours);
  const cut = await talk.turn({ atFirstAudio: () => talk.say(lines.appointment) });
  proven('is interrupted by speech', cut.interrupted && !cut.generated && cut.audio.length < answer.audio.length,
    `${(cut.audio.length / 48_000).toFixed(1)} s of ${(answer.audio.length / 48_000).toFixed(1)} s were sent`);
  const again = await talk.turn({ onCall });
  proven('answers what interrupted it', again.said.includes('twenty past nine'));
  const handle = await talk.waitForHandle();
  proven('hands out a resumption handle', Boolean(handle));
  await talk.close();

  const resumed = await Talk.connect(base, key, { handle });
  resumed.microphone();
  resumed.say(lines.hours);
  const later = await resumed.turn();
  proven('a resumed session goes on without a greeting', later.said.includes('eight in the morning'), later.said);
  await resumed.close();
}

/** The JS SDK fails the connect when the socket closes before setupComplete; the code is in the error or the event. */
async function refuses(what, code, wanted, apiKey, options) {
  let told = 'it was accepted';
  try {
    const talk = await Talk.connect(wss, apiKey, options);
    await talk.turn();
  } catch (error) {
    told = String(error.message ?? error);
  }
  proven(`refuses ${what} with ${code}`, told.includes(String(code)) && told.includes(wanted), told.slice(0, 90));
}

const line = (name) => readFileSync(join(folder, `${name}.pcm`));
const lines = { hours: line('hours'), appointment: line('appointment') };
await converse(wss, lines);
await refuses('a wrong key', 1007, 'API key not valid', 'wrong');
await refuses('an unknown model', 1008, 'is not found for API version v1beta', key, { model: 'gemini-0.1' });
await refuses('a dead handle', 1008, 'session not found', key, { handle: 'Cih-dead' });

const plain = await Talk.connect(ws, key);
plain.session.sendClientContent({ turnComplete: true });
const greeting = await plain.turn();
proven('greets over plaintext too', rmsDbfs(greeting.audio) > -35, `${(greeting.audio.length / 48_000).toFixed(1)} s`);
await plain.close();
console.log(`${passed} passed, 0 failed`);
