"""Google's Python SDK holds a conversation with gemini-sim.

Arguments: the wss:// and the ws:// base URL, the right key, and a folder with the caller's lines as raw 16 kHz PCM
(hours.pcm, appointment.pcm). Trust the simulator's authority with SSL_CERT_FILE.
"""

import array
import asyncio
import contextlib
import math
import pathlib
import sys
import time

import google.genai.live as live
from google import genai
from google.genai import errors, types

MODEL = "gemini-3.8-live"
FRAME = 640  # bytes: 20 ms at 16 kHz
SILENCE = bytes(FRAME)

passed = 0


def proven(fact, holds, detail=""):
    """Prints one line for a fact, and ends the run when it is none."""
    global passed
    if not holds:
        print(f"FAILED  {fact}: {detail}", flush=True)
        print(f"{passed} passed, 1 failed", flush=True)
        sys.exit(1)
    passed += 1
    print(f"ok      {fact}{': ' if detail else ''}{detail}", flush=True)


def rms_dbfs(pcm):
    samples = array.array("h", pcm)
    power = sum(sample * sample for sample in samples) / max(len(samples), 1)
    return 10 * math.log10(power / 32768**2) if power else -120.0


class Microphone:
    """Sends audio for as long as it is open, as a microphone does: speech when there is some, else silence."""

    def __init__(self, session):
        self.session = session
        self.speech = b""
        self.task = None

    def say(self, pcm):
        self.speech += pcm

    async def run(self):
        due = time.monotonic()
        while True:
            frame, self.speech = self.speech[:FRAME], self.speech[FRAME:]
            blob = types.Blob(data=frame.ljust(FRAME, b"\0") or SILENCE, mime_type="audio/pcm;rate=16000")
            await self.session.send_realtime_input(audio=blob)
            due += 0.02
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def __aenter__(self):
        self.task = asyncio.create_task(self.run())
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await self.task


class Turn:
    """What the model said up to turnComplete."""

    def __init__(self):
        self.audio = b""
        self.said = self.heard = ""
        self.interrupted = self.generated = False
        self.calls, self.usage = [], None

    def take(self, message):
        content = message.server_content
        if message.tool_call:
            self.calls += message.tool_call.function_calls
        if message.usage_metadata:
            self.usage = message.usage_metadata
        if not content:
            return
        for part in (content.model_turn.parts if content.model_turn else None) or []:
            if part.inline_data:
                assert part.inline_data.mime_type == "audio/pcm;rate=24000", part.inline_data.mime_type
                self.audio += part.inline_data.data
        if content.output_transcription:
            self.said += content.output_transcription.text or ""
        if content.input_transcription:
            self.heard += content.input_transcription.text or ""
        self.interrupted |= bool(content.interrupted)
        self.generated |= bool(content.generation_complete)


class Conversation:
    def __init__(self, session):
        self.session = session
        self.handle = None

    async def turn(self, answer=None, at_first_audio=None):
        turn = Turn()
        async with asyncio.timeout(20):
            async for message in self.session.receive():
                turn.take(message)
                update = message.session_resumption_update
                if update and update.resumable and update.new_handle:
                    self.handle = update.new_handle
                if message.tool_call and answer:
                    await answer(message.tool_call.function_calls)
                if turn.audio and at_first_audio:
                    at_first_audio()
                    at_first_audio = None
        return turn

    async def wait_for_handle(self):
        """The update follows turnComplete, after which the SDK's iterator has ended."""
        async with asyncio.timeout(5):
            while not self.handle:
                message = await self.session._receive()
                update = message.session_resumption_update
                if update and update.resumable:
                    self.handle = update.new_handle


def config(handle=None):
    return types.LiveConnectConfig(
        response_modalities=["AUDIO"],
        speech_config=types.SpeechConfig(
            voice_config=types.VoiceConfig(prebuilt_voice_config=types.PrebuiltVoiceConfig(voice_name="Sulafat"))
        ),
        system_instruction="You answer the phone of a dental clinic.",
        tools=[{"function_declarations": [{
            "name": "find_free_slots",
            "description": "List free slots on one day.",
            "parameters": {"type": "OBJECT", "properties": {"day": {"type": "STRING"}}, "required": ["day"]},
        }]}],
        realtime_input_config=types.RealtimeInputConfig(
            automatic_activity_detection=types.AutomaticActivityDetection(silence_duration_ms=600)
        ),
        input_audio_transcription={"language_codes": ["en-US"]},
        output_audio_transcription={},
        session_resumption=types.SessionResumptionConfig(handle=handle),
        context_window_compression=types.ContextWindowCompressionConfig(
            trigger_tokens=64000, sliding_window=types.SlidingWindow(target_tokens=32000)
        ),
    )


async def converse(client, lines):
    async with client.aio.live.connect(model=MODEL, config=config()) as session:
        talk = Conversation(session)
        async with Microphone(session) as microphone:
            await session.send_client_content(turns=None, turn_complete=True)
            greeting = await talk.turn()
            seconds = len(greeting.audio) / 48000
            proven("greets aloud", seconds > 1 and rms_dbfs(greeting.audio) > -35,
                   f"{seconds:.1f} s at {rms_dbfs(greeting.audio):.0f} dBFS, {greeting.said!r}")
            proven("transcribes what it says", greeting.said.startswith("Riverside Clinic"))
            proven("generationComplete precedes turnComplete", greeting.generated)
            proven("counts tokens", greeting.usage and greeting.usage.response_token_count > 0)

            microphone.say(lines["hours"])
            answer = await talk.turn()
            proven("understands a spoken line", answer.heard == "What are your opening hours?", answer.heard)
            proven("answers it", "eight in the morning" in answer.said and rms_dbfs(answer.audio) > -35, answer.said)

            async def respond(calls):
                proven("calls a tool with arguments", calls[0].name == "find_free_slots" and calls[0].args == {
                    "day": "2026-11-24"}, f"{calls[0].name} {calls[0].args}")
                await session.send_tool_response(function_responses=[types.FunctionResponse(
                    id=calls[0].id, name=calls[0].name, response={"output": {"slots": ["09:20"]}})])

            microphone.say(lines["appointment"])
            booking = await talk.turn(respond)
            proven("speaks after the tool's response", "twenty past nine" in booking.said, booking.said)

            microphone.say(lines["hours"])
            whole = len(answer.audio)
            cut = await talk.turn(at_first_audio=lambda: microphone.say(lines["appointment"]))
            proven("is interrupted by speech", cut.interrupted and not cut.generated and len(cut.audio) < whole,
                   f"{len(cut.audio) / 48000:.1f} s of {whole / 48000:.1f} s were sent")
            again = await talk.turn(respond)
            proven("answers what interrupted it", "twenty past nine" in again.said)
            await talk.wait_for_handle()
    proven("hands out a resumption handle", bool(talk.handle))

    async with client.aio.live.connect(model=MODEL, config=config(talk.handle)) as session:
        resumed = Conversation(session)
        async with Microphone(session) as microphone:
            microphone.say(lines["hours"])
            answer = await resumed.turn()
            proven("a resumed session goes on without a greeting", "eight in the morning" in answer.said, answer.said)


async def refuses(client, what, code, wanted, model=MODEL, setup=None):
    try:
        async with client.aio.live.connect(model=model, config=setup or config()) as session:
            async with asyncio.timeout(5):
                async for _ in session.receive():
                    pass
    except errors.APIError as error:
        return proven(f"refuses {what} with {code}", error.code == code and wanted in str(error), str(error)[:90])
    except Exception as error:  # the SDK wraps some and passes others on
        return proven(f"refuses {what} with {code}", str(code) in str(error) and wanted in str(error), repr(error)[:90])
    proven(f"refuses {what} with {code}", False, "it was accepted")


def client_for(base, key):
    options = types.HttpOptions(base_url=base.replace("wss:", "https:").replace("ws:", "http:"), api_version="v1beta")
    return genai.Client(api_key=key, http_options=options)


def allow_plaintext():
    """The SDK insists on TLS; this undoes that for the part of the proof that uses the plaintext port."""
    real = live.ws_connect

    def plain(uri, **options):
        options.pop("ssl", None)
        return real(uri.replace("wss://", "ws://", 1), **options)

    live.ws_connect = plain


async def main():
    wss, ws, key, folder = sys.argv[1:]
    lines = {name: (pathlib.Path(folder) / f"{name}.pcm").read_bytes() for name in ("hours", "appointment")}
    client = client_for(wss, key)
    await converse(client, lines)
    await refuses(client_for(wss, "wrong"), "a wrong key", 1007, "API key not valid")
    await refuses(client, "an unknown model", 1008, "is not found for API version v1beta", model="gemini-0.1")
    await refuses(client, "a dead handle", 1008, "session not found", setup=config("Cih-dead"))
    thinking = config()
    thinking.thinking_config = types.ThinkingConfig(thinking_level="LOW")
    await refuses(client, "a thinking level on 3.8", 1007, "Thinking level is not supported", setup=thinking)

    allow_plaintext()
    async with client_for(ws, key).aio.live.connect(model=MODEL, config=config()) as session:
        await session.send_client_content(turns=None, turn_complete=True)
        greeting = await Conversation(session).turn()
        proven("greets over plaintext too", rms_dbfs(greeting.audio) > -35, f"{len(greeting.audio) / 48000:.1f} s")
    print(f"{passed} passed, 0 failed", flush=True)


asyncio.run(main())
