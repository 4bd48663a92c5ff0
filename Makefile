# Frontdesk. `make run` shows a conversation, `make test` checks everything.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
CARGO ?= cargo
# Seconds per fuzz target.
FUZZ_SECONDS ?= 60

.PHONY: help
help: ## Show this list.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: run
run: deps ## Build, start the daemon in a rehearsal world, place a call, show the conversation.
	@$(CARGO) build --quiet -p frontdeskd -p frontdesk-tests --bins
	@target/debug/rehearsal $(ARGS)

.PHONY: test
test: deps fmt lint deny unit stories proofs ## Everything that must hold before a change is kept.
	@echo "all checks passed"

.PHONY: deps
deps: ## Install what is missing on Debian or Raspberry Pi OS.
	@tests/tools/install

.PHONY: fmt
fmt: ## Formatting.
	$(CARGO) fmt --all --check

.PHONY: lint
lint: ## Lints and documentation, warnings are errors.
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) clippy -p frontdeskd --test radicale --test smtp -- -D warnings
	$(CARGO) clippy -p frontdesk-tests --test nightly --test outside -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --quiet

.PHONY: deny
deny: ## Licences, advisories, duplicate crates.
	tests/tools/deny

.PHONY: unit
unit: ## Unit tests, property tests, the kept corpus of every parser.
	$(CARGO) test --workspace --exclude frontdesk-tests
	$(CARGO) test -p frontdesk-tests --lib --bins --test layers --test corpus

.PHONY: stories
stories: ## Stories from end to end, in real time.
	$(CARGO) build --workspace --bins
	$(CARGO) test -p frontdesk-tests --test e2e -- --test-threads 6 --skip desk
	$(CARGO) test -p frontdesk-tests --test e2e desk -- --test-threads 2

.PHONY: proofs
proofs: ## The vendors' own libraries against the simulators and our TwiML; real servers of mail and calendars.
	tests/proofs/gemini/run.sh
	tests/proofs/google/run.sh
	tests/proofs/mail/run.sh
	tests/proofs/caldav/run.sh
	tests/proofs/twilio/run.sh daemon/core/tests/data/twiml/*.xml

.PHONY: package
package: ## Debian packages for arm64 and amd64, in target/package.
	images/debian/package $(ARGS)

.PHONY: test-package
test-package: ## The packages: lintian, installing, upgrading, removing, purging, the same bytes twice.
	images/debian/test $(ARGS)

.PHONY: test-units
test-units: ## The units under real systemd, 252 and 257, in containers (needs root).
	tests/units/run

.PHONY: nightly
nightly: ## A call of 25 minutes in real time, with rotations, a go-away, a drop and a stall.
	$(CARGO) build --workspace --bins
	$(CARGO) test -p frontdesk-tests --test nightly -- --nocapture

.PHONY: test-box
test-box: ## The arm64 package in a virtual machine with a USB speakerphone, power cut included (needs root).
	@tests/box/run $(ARGS)

.PHONY: bench
bench: ## Every figure beside its goal.
	$(CARGO) build --release --quiet -p frontdeskd -p frontdesk-tests --bins
	@# All of them are shown, also behind one that misses its goal.
	@missed=0; \
	$(CARGO) run --release --quiet -p frontdesk-core --example media_cost || missed=1; \
	$(CARGO) run --release --quiet -p frontdeskd --example book_cost target || missed=1; \
	$(CARGO) run --release --quiet -p frontdeskd --example knowledge_cost target || missed=1; \
	target/release/bench $(ARGS) || missed=1; \
	exit $$missed

.PHONY: fuzz
fuzz: ## Every fuzz target for FUZZ_SECONDS seconds (needs a nightly toolchain).
	tests/tools/fuzz $(FUZZ_SECONDS)

.PHONY: image
image: ## The flashable image for a Raspberry Pi 4, of the package that `make package` has built (needs root).
	@images/build/build $(IMAGE_PACKAGE)

.PHONY: test-image
test-image: ## That image in a virtual machine: provisioned, restarted, unplugged, flashed again, erased (needs root).
	@images/build/test $(IMAGE)
