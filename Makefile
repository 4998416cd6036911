# The front door. Every target first installs what is missing from Debian's packages
# (tools/packages.txt), builds, and runs; `make help` lists them.

BUILD := build/release
# A regular expression over test names: make test TESTS=lab
TESTS ?=
# make bench BENCH=quick: fewer and shorter slices
BENCH ?=
# make differential STORIES=200: fewer random stories; SEED=5000: from that seed on; WITHIN=60: no
# story begins after that many seconds
SEED ?= 1
STORIES ?= 1000
WITHIN ?= 600
# Seconds that `make fuzz` gives each target.
SECONDS_EACH ?= 60

.PHONY: help bootstrap build test demo lint tidy fuzz asan bench differential clean

help:  ## Say what there is to make
	@echo "XVS, a Linux Virtual Server director. Targets:"
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | \
	    while IFS='|' read -r name text; do printf '  make %-13s %s\n' "$$name" "$$text"; done

bootstrap:
	@tools/bootstrap.sh

build: bootstrap  ## Leave xvsd, xvsadm and xvs in build/bin/
	@tools/build.sh release
	@ln -sfn release/bin build/bin

test: build  ## Build with both compilers and run every test
	@tools/build.sh release all all_verify_interface_header_sets
	@tools/build.sh clang
	@tools/run_tests.py $(BUILD) $(if $(TESTS),--tests-regex '$(TESTS)')

demo:  ## Watch NAT, DR and TUN balance real traffic (as root)
	@[ "$$(id -u)" = 0 ] || \
	    { echo "make demo: network namespaces need root; type: sudo make demo" >&2; exit 1; }
	@$(MAKE) --no-print-directory build
	@build/bin/xvs demo

lint: build  ## Check format, include edges and tidiness
	@tools/run_tests.py $(BUILD) --label-regex lint

tidy: bootstrap  ## Run clang-tidy over what changed since its last run
	@tools/build.sh clang
	@tools/clang_tidy.py build/clang

fuzz: bootstrap  ## Run each fuzz target for SECONDS_EACH=60 seconds
	@tools/build.sh fuzz fuzz_targets
	@tools/fuzz.sh build/fuzz $(SECONDS_EACH)

asan: bootstrap  ## Run the tests with address and undefined-behaviour sanitizers (TESTS=unit: those)
	@tools/build.sh asan
	@tools/run_tests.py build/asan --tests-regex '$(or $(TESTS),^(unit|property|scenario|golden|fuzz-smoke)\.)'

bench:  ## Measure XVS and what else could stand there (as root; BENCH=quick: shorter)
	@[ "$$(id -u)" = 0 ] || \
	    { echo "make bench: network namespaces need root; type: sudo make bench" >&2; exit 1; }
	@$(MAKE) --no-print-directory build
	@tools/build.sh release xvs_memory_bench xvs_scale_bench xvs_bench_flood \
	    xvs_bench_streams
	@bench/run.py $(if $(filter quick,$(BENCH)),--quick)

differential: bootstrap  ## Compare scenarios and 1,000 random stories with kernel IPVS (in XVS_IPVS_KERNEL)
	@tools/build.sh release kernel_scenarios random_differential
	@XVS_BUILD_DIR=$(CURDIR)/$(BUILD) tests/differential/run --all $(SEED) $(STORIES) $(WITHIN)

clean:  ## Remove everything that was built
	rm -rf build
