#!/usr/bin/env bash
# Installs the Debian packages that ConvertFly needs. Safe to run again: what is there is left alone.
set -euo pipefail

# One row a package: group, package, what it is for. A new engine adds its rows here, in a group of its own
# (media, office, browser …) that `all` below then takes in.
table() {
  cat <<'TABLE'
build  ca-certificates       TLS roots, for cargo
build  clang                 reads FFmpeg's headers, for its bindings
build  cmake                 builds libjpeg-turbo
build  g++                   compiles libheif
build  gcc                   compiles libjpeg-turbo, libwebp and AWS-LC; links the program
build  libavcodec-dev        FFmpeg, for video and audio
build  libavfilter-dev       FFmpeg, for video and audio
build  libavformat-dev       FFmpeg, for video and audio
build  libavutil-dev         FFmpeg, for video and audio
build  libc6-dev             C headers
build  libclang-dev          reads FFmpeg's headers, for its bindings
build  libdav1d-dev          decodes AVIF, behind libheif
build  libde265-dev          decodes HEIC, behind libheif
build  libswresample-dev     FFmpeg, for video and audio
build  libswscale-dev        FFmpeg, for video and audio
build  make                  the commands of the Makefile
build  nasm                  SIMD code of libjpeg-turbo and rav1e
build  pkg-config            finds libheif's decoders and FFmpeg
run    ca-certificates       TLS roots, for S3
run    libavcodec59          FFmpeg, for video and audio
run    libavfilter8          FFmpeg, for video and audio
run    libavformat59         FFmpeg, for video and audio
run    libdav1d6             decodes AVIF
run    libde265-0            decodes HEIC
run    libswresample4        FFmpeg, for video and audio
run    libswscale6           FFmpeg, for video and audio
run    libvulkan1            Vulkan loader: how the program finds a GPU
run    redis-server          the job store; ConvertFly starts its own on a private socket
documents  bubblewrap               the jail of LibreOffice, Chromium and pdftotext
documents  chromium-headless-shell  draws html and md
documents  fonts-crosextra-caladea  has the widths of Cambria
documents  fonts-crosextra-carlito  has the widths of Calibri
documents  fonts-dejavu-core        many scripts and symbols
documents  fonts-droid-fallback     Chinese, Japanese and Korean
documents  fonts-liberation         has the widths of Arial, Times New Roman and Courier New
documents  fonts-noto-color-emoji   emoji
documents  fonts-noto-core          most of the world's scripts
documents  libjemalloc2             LibreOffice's allocator: a quarter less time for long documents
documents  libreoffice-calc         spreadsheets (the packages with -nogui crash on them)
documents  libreoffice-core         office documents
documents  libreoffice-draw         PDF as slides
documents  libreoffice-impress      presentations
documents  libreoffice-writer       text documents
documents  poppler-utils            pdftotext: the words of PDF files; and tests look at results with it
test   curl                  runs the quick start as written
test   ffmpeg                makes clips, and looks at results independently
test   iproute2              gives a network namespace its addresses (ip)
test   libheif-examples      makes HEIC files (heif-enc)
test   liblcms2-2            the yardstick of colours
test   libvips-tools         independent opener of results, and the yardstick of the benches
test   mesa-vulkan-drivers   software Vulkan device, to test the GPU kernels without a GPU
test   nodejs                runs the JavaScript quick start
test   python3               runs the Python quick start
test   python3-pil           independent opener of results
test   python3-requests      the HTTP client of the Python quick start
test   python3-venv          holds schemathesis, for make contract
test   valgrind              counts the instructions of hot loops (make guards)
TABLE
}
readonly REDIS_MINIMUM=7

usage() {
  cat <<'USAGE'
Usage: deploy/install-deps.sh [--check] [GROUP...]

Installs with apt what the groups need. Without a group: build run.
  build     to compile
  run       to serve, with documents
  documents for documents, spreadsheets, presentations, html and PDF text alone
  test      to run the tests (takes build and run with it)
  --check   install nothing; list what is missing and exit 1 if anything is
USAGE
}

say() { printf 'install-deps: %s\n' "$*"; }
complain() { printf 'install-deps: %s\n' "$*" >&2; return 1; }
die() { complain "$@" || exit 1; }

check_only=no
groups=()
for argument in "$@"; do
  case $argument in
    --check) check_only=yes ;;
    build | documents) groups+=("$argument") ;;
    run) groups+=(run documents) ;;
    test) groups+=(build run documents test) ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; die "unknown group or option '$argument'" ;;
  esac
done
[ ${#groups[@]} -gt 0 ] || groups=(build run documents)

# Prints "package why" for every package of the chosen groups, each package once.
wanted() {
  table | while read -r group package why; do
    if [[ " ${groups[*]} " == *" $group "* ]]; then printf '%s %s\n' "$package" "$why"; fi
  done | sort -u -k1,1
}

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Debian starts a service as soon as its package is installed. The hook below, honoured by Debian's maintainer scripts,
# answers "not allowed" (101) for the length of this run, so that no redis-server appears on port 6379. An administrator's
# own hook is respected.
readonly SERVICE_HOOK=/usr/sbin/policy-rc.d
forbid_services() {
  [ ! -e "$SERVICE_HOOK" ] || return 0
  trap 'as_root rm -f "$SERVICE_HOOK"' EXIT
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$SERVICE_HOOK" >/dev/null
  as_root chmod 755 "$SERVICE_HOOK"
}

install_packages() {
  local redis_is_new=no
  [[ " $* " == *" redis-server "* ]] && redis_is_new=yes
  if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
    die "root is needed and there is no sudo; as root, run: apt-get install --no-install-recommends $*"
  fi
  forbid_services
  say "apt-get update"
  as_root apt-get -qq update || say "apt-get update reported problems; trying with the package lists that are there"
  say "apt-get install --no-install-recommends $*"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" </dev/null \
    || die "apt could not install them all; its messages above say why"
  if [ "$redis_is_new" = yes ] && command -v systemctl >/dev/null; then
    as_root systemctl disable --quiet redis-server.service \
      || say "the system service redis-server could not be disabled and starts at the next boot, on port 6379"
  fi
}

# Prints the version of the cargo that the caller, or the caller behind sudo, would use.
cargo_version() {
  local home candidate
  home=$HOME
  [ -z "${SUDO_USER:-}" ] || home=$(getent passwd "$SUDO_USER" | cut -d: -f6)
  for candidate in "$(command -v cargo || true)" "$home/.cargo/bin/cargo"; do
    [ -x "$candidate" ] || continue
    HOME=$home "$candidate" --version | sed -n 's/^cargo \([0-9.]*\).*/\1/p'
    return
  done
}

at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

check_rust() {
  local required version
  required=$(sed -n 's/^rust-version = "\([0-9.]*\)"$/\1/p' "$(dirname "$0")/../Cargo.toml")
  version=$(cargo_version)
  if [ -z "$version" ]; then
    complain "missing: Rust $required or newer. Get it with: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
  elif ! at_least "$version" "$required"; then
    complain "Rust $version is too old, $required or newer is needed. With rustup: rustup update stable"
  else
    say "Rust $version is there ($required or newer is needed)"
  fi
}

check_redis() {
  local version
  version=$(redis-server --version | sed -n 's/.* v=\([0-9.]*\).*/\1/p')
  at_least "$version" "$REDIS_MINIMUM" \
    || complain "redis-server $version is too old, $REDIS_MINIMUM or newer is needed: https://redis.io/docs/latest/operate/oss_and_stack/install/"
}

debian_like() {
  [ -r /etc/os-release ] && command -v apt-get >/dev/null && command -v dpkg-query >/dev/null || return 1
  (
    # shellcheck source=/dev/null
    . /etc/os-release
    [[ " ${ID:-} ${ID_LIKE:-} " == *" debian "* ]]
  )
}

if ! debian_like; then
  {
    printf 'install-deps: this is no Debian or derivative. Install what your system calls these (Debian names):\n'
    wanted | while read -r package why; do printf '  %-20s %s\n' "$package" "$why"; done
  } >&2
  exit 1
fi

missing=()
while read -r package why; do
  installed "$package" && continue
  missing+=("$package")
  say "missing: $(printf '%-20s %s' "$package" "$why")"
done < <(wanted)

status=0
if [ ${#missing[@]} = 0 ]; then
  say "every package for ${groups[*]} is there"
elif [ "$check_only" = yes ]; then
  complain "${#missing[@]} packages missing; to install them: deploy/install-deps.sh ${groups[*]}" || status=1
else
  install_packages "${missing[@]}"
  say "installed: ${missing[*]}"
fi
if command -v redis-server >/dev/null && [[ " ${groups[*]} " == *" run "* ]]; then check_redis || status=1; fi
if [[ " ${groups[*]} " == *" build "* ]]; then check_rust || status=1; fi
exit $status
