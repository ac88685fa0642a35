#!/bin/sh
# install.sh install|uninstall: what `make install` and `make uninstall` do, by these variables:
#
#   B            the build, with bin/
#   PREFIX       /usr/local: programs, manual pages, unit
#   SYSCONFDIR   /etc: tocsin/tocsin.conf, init.d/tocsin, logrotate.d/tocsin
#   UNITDIR      where systemd looks for the unit
#   INIT         sysv, systemd or both
#   DESTDIR      put in front of all, for packages: then nothing outside is touched, and owners are the packager's to set
#
# Without DESTDIR, root also makes the system user tocsin and the folders of logs and state.  A configuration that is there
# is never touched.  All of it can be done again.
set -eu
umask 022
cd "$(dirname "$0")/.."
action=$1
user=tocsin
root=$DESTDIR
conf=$SYSCONFDIR/tocsin/tocsin.conf

for dir in "$PREFIX" "$SYSCONFDIR" "$UNITDIR"; do
	case $dir in
	*[!A-Za-z0-9/._+-]* | [!/]*)
		echo "install: \"$dir\": an absolute path of letters, digits and ._+- is needed" >&2
		exit 100
		;;
	esac
done
sysv='' systemd=''
case $INIT in
sysv) sysv=yes ;;
systemd) systemd=yes ;;
both) sysv=yes systemd=yes ;;
*)
	echo "install: INIT=$INIT: sysv, systemd or both" >&2
	exit 100
	;;
esac

# put MODE SOURCE TARGET: a file with the paths of this installation in it; replaced as a whole, as it may be at work.
put() {
	target=$root$3
	[ -d "${target%/*}" ] || install -d -m 755 "${target%/*}"
	sed -e "s,/usr/local/bin/,$PREFIX/bin/,g" -e "s,/usr/local/sbin/,$PREFIX/sbin/,g" -e "s,/usr/local/lib/,$PREFIX/lib/,g" \
	    -e "s,/usr/local/share/,$PREFIX/share/,g" -e "s,/etc/tocsin/,$SYSCONFDIR/tocsin/,g" -e "s,/etc/default/,$SYSCONFDIR/default/,g" "$2" >"$target.new"
	chmod "$1" "$target.new"
	mv -f "$target.new" "$target"
}

# put_program NAME FOLDER
put_program() {
	[ -d "$root$2" ] || install -d -m 755 "$root$2"
	install -m 755 "$B/bin/$1" "$root$2/$1.new"
	mv -f "$root$2/$1.new" "$root$2/$1"
}

# The programs look for /etc/tocsin/tocsin.conf by themselves, for another one they have to be told.
put_example() {
	put 644 etc/tocsin.conf "$PREFIX/share/doc/tocsin/tocsin.conf"
	[ "$SYSCONFDIR" = /etc ] || sed -i "s|^command = .*|& -c $conf|" "$root$PREFIX/share/doc/tocsin/tocsin.conf"
}

make_user() {
	getent group $user >/dev/null || groupadd --system $user
	getent passwd $user >/dev/null ||
	    useradd --system --gid $user --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin $user
}

# make_folder MODE PATH: with the mode and owner that the watchdog itself would give it; one that is there is left alone.
make_folder() {
	[ -d "$2" ] || install -d -m "$1" -o root -g $user "$2"
}

put_conf() {
	if [ ! -d "$root$SYSCONFDIR/tocsin" ]; then
		install -d -m 750 "$root$SYSCONFDIR/tocsin"
		[ -z "$as_root" ] || chgrp $user "$SYSCONFDIR/tocsin"
	fi
	if [ -e "$root$conf" ]; then
		echo "install: $conf is kept; the example of this version is $PREFIX/share/doc/tocsin/tocsin.conf"
		return
	fi
	# Under another name first: it may come to hold a password, and is to be whole.
	install -m 640 "$root$PREFIX/share/doc/tocsin/tocsin.conf" "$root$conf.new"
	[ -z "$as_root" ] || chgrp $user "$conf.new"
	mv "$root$conf.new" "$root$conf"
}

say_what_is_next() {
	cat <<-T
	installed; now, as root:
	    su postgres -c 'createdb tocsin'        # and who may connect: $PREFIX/share/doc/tocsin/operations.md
	    $PREFIX/bin/tocsin$named migrate && $PREFIX/bin/tocsin$named check
	T
	[ -z "$sysv" ] || echo "    update-rc.d tocsin defaults && $SYSCONFDIR/init.d/tocsin start    # SysV init"
	[ -z "$systemd" ] || echo "    systemctl daemon-reload && systemctl enable --now tocsin    # systemd"
}

as_root=''
[ -n "$DESTDIR" ] || [ "$(id -u)" != 0 ] || as_root=yes
named=''
[ "$SYSCONFDIR" = /etc ] || named=" -c $conf"
man=$PREFIX/share/man

case $action in
install)
	put_program tocsin "$PREFIX/bin"
	put_program tocsin-watchdog "$PREFIX/sbin"
	put_program tocsin-generator "$PREFIX/lib/tocsin"
	put_program tocsin-relay "$PREFIX/lib/tocsin"
	for file in README.md docs/*.md; do
		put 644 "$file" "$PREFIX/share/doc/tocsin/${file##*/}"
	done
	for page in docs/man/*.[1-8]; do
		put 644 "$page" "$man/man${page##*.}/${page##*/}"
	done
	put_example
	[ -z "$as_root" ] || make_user
	put_conf
	[ -z "$sysv" ] || put 755 etc/init.d/tocsin "$SYSCONFDIR/init.d/tocsin"
	[ -z "$systemd" ] || put 644 etc/systemd/tocsin.service "$UNITDIR/tocsin.service"
	put 644 etc/logrotate.d/tocsin "$SYSCONFDIR/logrotate.d/tocsin"
	if [ -n "$as_root" ]; then
		make_folder 1770 /var/log/tocsin
		make_folder 750 /var/lib/tocsin
	fi
	[ -n "$DESTDIR" ] || say_what_is_next
	;;
uninstall)
	rm -f "$root$PREFIX/bin/tocsin" "$root$PREFIX/sbin/tocsin-watchdog" "$root$UNITDIR/tocsin.service" \
	    "$root$SYSCONFDIR/init.d/tocsin" "$root$SYSCONFDIR/logrotate.d/tocsin"
	for page in docs/man/*.[1-8]; do
		rm -f "$root$man/man${page##*.}/${page##*/}"
	done
	rm -rf "$root$PREFIX/lib/tocsin" "$root$PREFIX/share/doc/tocsin"
	echo "uninstall: left alone: $SYSCONFDIR/tocsin, /var/log/tocsin, /var/lib/tocsin, the user $user, and what still runs"
	;;
*)
	echo "usage: install.sh install|uninstall" >&2
	exit 100
	;;
esac
