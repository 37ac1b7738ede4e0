# Sourced by hack/vm: the images that its machine starts from. Those that take long to make are kept in
# $cache under a hash of what they are made of, so that a change of that makes new ones.

cache=${XDG_CACHE_HOME:-/var/cache}/gantry-vm

# What a node has, and what tests need there: critest loads its profiles with sudo.
system_packages=(
  systemd-sysv dbus udev kmod linux-image-cloud-amd64 apparmor apparmor-utils
  crun runc conmon catatonit nftables iproute2 containernetworking-plugins
  busybox-static docker-registry skopeo sqlite3 procps btrfs-progs ca-certificates libatomic1 sudo
)

# The command that shows a package to be there, and the package.
builder_packages=(qemu-system-x86_64:qemu-system-x86 mmdebstrap:mmdebstrap mke2fs:e2fsprogs)

# Sets system, a folder with root.img and vmlinuz, and tools_image, with node_modules and .tools.
build() {
  [ "$(uname -m)" = x86_64 ] || fail "no machine on $(uname -m)" 'hack/vm knows x86_64 only'
  "$here/setup"
  mkdir -p "$cache"
  exec 8>"$cache/lock"
  flock 8
  bring_builders
  system=$cache/system-$(system_inputs | digest)
  tools_image=$cache/tools-$(tools_inputs | digest).img
  [ -e "$system" ] || step 'making the root file system (a minute, once)' \
    'see the output above; do the sources in /etc/apt answer?' make_system "$system"
  [ -e "$tools_image" ] || step 'packing node_modules and .tools' 'see the output above' \
    make_tools "$tools_image"
  touch "$system" "$tools_image"
  find "$cache" -mindepth 1 -maxdepth 1 -mtime +7 ! -name lock -exec rm -rf --one-file-system {} +
  exec 8>&-
}

digest() {
  sha256sum | cut -c 1-16
}

bring_builders() {
  local missing=()
  for entry in "${builder_packages[@]}"; do
    command -v "${entry%%:*}" >/dev/null || missing+=("${entry##*:}")
  done
  [ ${#missing[@]} = 0 ] && return
  command -v apt-get >/dev/null || fail "missing: ${missing[*]}" 'no apt-get here: install these by hand'
  step "installing ${missing[*]}" 'see the output above' apt_install "${missing[@]}"
}

system_inputs() {
  cat "$here/vm-images.sh" $(apt_sources)
  tar -C "$here" --sort=name --mtime=@0 --owner=0 --group=0 -c vm-guest
}

# The files that say where Debian's packages come from on this machine.
apt_sources() {
  grep -lsE 'debian-archive-keyring|^deb .* (main|contrib)' \
    /etc/apt/sources.list /etc/apt/sources.list.d/debian.{sources,list} || true
}

make_system() {
  local work="$1.part" sources options
  sources=$(apt_sources)
  [ -n "$sources" ] || { echo 'no sources of Debian packages in /etc/apt'; return 1; }
  rm -rf --one-file-system "$work" && mkdir "$work"
  # Proxies and the like, as this machine has them.
  mapfile -t options < <(apt-config dump | sed -n 's/^\(Acquire::\(https\?::\|Check-\|Retries\).*\);$/--aptopt=\1/p')
  # mmdebstrap mounts folders of this machine for the programs that it runs there. In a namespace of its own
  # they go with it, however it ends, and no removal of what was left half done can reach through them.
  # The kernel has the drivers of its disks built in: INITRD is for the package of the kernel.
  INITRD=No nice unshare --mount mmdebstrap --variant=minbase --include="$(IFS=,; echo "${system_packages[*]}")" \
    "${options[@]}" --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --customize-hook="tar -C '$here/vm-guest' -c . | tar -C \"\$1\" -x --no-same-owner" \
    --customize-hook='chroot "$1" systemctl mask docker-registry.service e2scrub_reap.service getty@tty1.service' \
    --customize-hook='chroot "$1" systemctl enable gantry-vm-checkout.service gantry-vm.service' \
    "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$work/root" $sources &&
    mv "$work"/root/boot/vmlinuz-* "$work/vmlinuz" &&
    make_ext4 "$work/root" "$work/root.img" 8G && rm -rf "$work/root" && mv "$work" "$1"
}

# Both change with what hack/setup brings.
tools_inputs() {
  cat "$top/node_modules/.package-lock.json" "$here/setup" "$here/vm-images.sh"
  (cd "$top/.tools" && stat -L -c '%n %s' bin/* busybox/bin/* 2>/dev/null) || true
}

make_tools() {
  local work="$1.part"
  rm -rf --one-file-system "$work" && mkdir -p "$work"/{node_modules,.tools} &&
    unshare --mount bash -ec 'mount --bind "$1/node_modules" "$2/node_modules"
      mount --bind "$1/.tools" "$2/.tools"; shift 2; "$@"' - "$top" "$work" \
      mke2fs -q -F -t ext4 -O ^has_journal -m 0 -d "$work" "$work.img" 2G &&
    rm -rf "$work" && mv "$work.img" "$1"
}

# checkout_image FILE: this checkout as it is now, without what make_tools has, and with what was added. What
# Node runs there is JavaScript; vitest takes the TypeScript beside it.
checkout_image() {
  mkdir "$1.files"
  tar -C "$top" --exclude=./node_modules --exclude=./.tools --exclude=./.git --exclude=./.cache -c . |
    tar -C "$1.files" -x
  node "$top/hack/javascript.ts" "$1.files"
  [ ${#added[@]} = 0 ] || cp -t "$1.files" "${added[@]}"
  make_ext4 "$1.files" "$1" 512M
}

make_ext4() {
  mke2fs -q -F -t ext4 -m 0 -d "$1" "$2" "$3" >/dev/null
}
