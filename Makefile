# The commands of the project. `make` alone lists them.
export PATH := $(HOME)/.cargo/bin:$(PATH)
.DEFAULT_GOAL := help
.PHONY: help serve test contract check guards bench bench-peers bench-report deps test-deps

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

serve: deps ## install what is missing, build, and serve on 127.0.0.1:8080
	cargo build --release --workspace
	target/release/convertfly serve

test: test-deps ## install what is missing, and run every test
	cargo test --workspace --features convertfly-media/nvenc

contract: test-deps ## hold a server against its own OpenAPI document with schemathesis (CASES=10000 for the long form)
	tests/contract/run.sh $(CASES)

check: ## formatting, lints, documentation, licences and sources of dependencies
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --features convertfly-media/nvenc -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
	cargo deny --workspace check bans licenses sources

guards: test-deps ## instructions of the hot loops against what is recorded
	benches/guards/run.sh

bench: test-deps ## the criterion benches
	cargo bench --workspace

bench-peers: test-deps ## pictures beside sharp, pyvips and Pillow (PHOTO=a camera's JPEG)
	benches/peers/images/setup.sh
	cargo build --release --workspace
	target/release/convertfly bench peers "$(PHOTO)" --runs target/bench

# What is not named is left out, and the section says so. A quiet machine, and about half an hour.
BENCH := target/bench
bench-report: test-deps ## the README's performance section (PHOTO=a camera's JPEG, CORPUS=a folder of pictures)
	benches/peers/images/setup.sh
	cd benches/peers/queue && npm ci
	cd benches/peers/bullmq && npm ci
	cargo build --release --workspace
	mkdir -p $(BENCH)
	target/release/convertfly bench scheduler --json > $(BENCH)/scheduler.json
	node benches/peers/bullmq/compare.mjs target/release/convertfly --json > $(BENCH)/queue.json
ifneq ($(PHOTO),)
	target/release/convertfly bench peers "$(PHOTO)" --form json > $(BENCH)/peers.json
	target/release/convertfly bench thumbnail "$(PHOTO)" --json > $(BENCH)/thumbnail.json
endif
ifneq ($(CORPUS),)
	target/release/convertfly bench node "$(CORPUS)" --peer benches/peers/queue --json > $(BENCH)/node.json
endif
	target/release/convertfly bench report $(BENCH) --readme README.md

deps: ## install what building and serving need
	deploy/install-deps.sh build run

test-deps: ## install what the tests need as well
	deploy/install-deps.sh test
