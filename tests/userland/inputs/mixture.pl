# Numbers, formats, hashes, sorting, regular expressions, pack: what is printed follows from the program alone.
use strict;
use warnings;
no warnings 'portable';
use POSIX qw(floor ceil fmod strtol);
use List::Util qw(reduce sum max first);

my @edges = (0, -0.0, 1/3, 1e16, 1e15/7, 2**53 + 1, 5e-324, 1.7976931348623157e308, -1e-5, 123456.789);
my $seed = 12345;
sub rnd { $seed = ($seed * 1103515245 + 12345) % 2147483648; return $seed / 2147483648 }
my @values = (@edges, map { (rnd() - 0.5) * 10 ** int(rnd() * 40 - 20) } 1 .. 60);
for my $x (@values) {
  printf "%.17g %s %e %a %d|%s\n", $x, $x, $x, $x, abs($x) < 1e15 ? $x : 0, pack("d>", $x) =~ s/(.)/sprintf "%02x", ord $1/gesr;
  printf "%.15g %.15g %.15g %.15g %.15g\n", sin $x, cos $x, atan2($x, 2), sqrt abs $x, log(abs($x) + 1);
  printf "%s %s %s\n", int(abs($x) < 1e15 ? $x : 0), fmod($x, 0.3), $x ** 3;
}
printf "%s %s %s %s\n", 0xffffffffffffffff, ~0 >> 1, 18446744073709551615 + 1, -7 % 3;
{ use integer; printf "%s %s %s\n", -7 % 3, 9223372036854775807 * 3, -100 >> 3; }

open my $file, '<', 'words.txt' or die;
my @words = map { split } <$file>;
my %count;
$count{$_}++ for @words;
print join(' ', map { "$_=$count{$_}" } (sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count)[0 .. 30]), "\n";
my $text = join ' ', @words;
(my $folded = $text) =~ s/\b(\w)(\w*)/\U$1\E\L$2/g;
print substr($folded, 0, 400), "\n", scalar(() = $text =~ /(?<=[aeiou])[^aeiou\s]{2}(?=\w)/g), "\n";
print join(',', unpack('(A3 x n/a* w)*', pack('A3 x n/a* w', 'ab', 'hello', 1234567))), "\n";
my $mask = '';
vec($mask, $_ * 7 % 97, 1) = 1 for 1 .. 50;
print unpack('b*', $mask), ' ', unpack('%32C*', $text), "\n";
my $product = reduce { $a * $b % 1000003 } map { 1 + length } @words;
print "$product ", sum(map { ord } split //, $text), ' ', max(map { length } @words), ' ', strtol('zz9', 36), "\n";
print join(' ', map { sprintf '%vd', $_ } '1.22.333', 'abc'), ' ', crypt_free('x' x 5), "\n";
sub crypt_free { my $h = 0; $h = ($h * 33 + ord) & 0xffffffff for split //, shift; return $h }
