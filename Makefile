# The commands of the project. `make` alone lists them.
export PATH := $(HOME)/.cargo/bin:$(PATH)
.DEFAULT_GOAL := help
.PHONY: help serve test contract check bench bench-peers deps test-deps

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

serve: deps ## install what is missing, build, and serve on 127.0.0.1:8080
	cargo build --release --workspace
	target/release/convertfly serve

test: test-deps ## install what is missing, and run every test
	cargo test --workspace

contract: test-deps ## hold a server against its own OpenAPI document with schemathesis (CASES=10000 for the long form)
	tests/contract/run.sh $(CASES)

check: ## formatting, lints, documentation, licences and sources of dependencies
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
	cargo deny check bans licenses sources

bench: test-deps ## the criterion benches
	cargo bench --workspace

bench-peers: test-deps ## pictures beside sharp, pyvips and Pillow (PHOTO=a camera's JPEG)
	benches/peers/images/setup.sh
	cargo build --release --workspace
	target/release/convertfly bench peers "$(PHOTO)"

deps: ## install what building and serving need
	deploy/install-deps.sh build run

test-deps: ## install what the tests need as well
	deploy/install-deps.sh test
