{ for (i = 1; i <= NF; i++) { seen[length($i)]++; total += length($i); if (match($i, /[aeiou][^aeiou]+$/)) ends[substr($i, RSTART)]++ } }
END {
  for (n = 1; n < 20; n++) if (n in seen) printf "%d %d %.6f %s\n", n, seen[n], log(seen[n]) * sqrt(n), substr("****************", 1, seen[n] % 17)
  print total, total / 7, 2 ^ 0.5, sin(1) + cos(2), atan2(0, -1), exp(10), int(-3.7), 1e300 * 1e10, 100000 * 100000
  printf "%x %o %e %g %5.2f|%-8s|%c\n", 255, 8, 1234.5, 1e-5, 3.14159, "ab", 65
  line = "a1bb22ccc333"; gsub(/[0-9]+/, "<&>", line); print line, toupper(line), index(line, "cc"), split("x:y:z", parts, ":")
  x = 1; for (i = 0; i < 3000; i++) { x = (x * 16807) % 2147483647; s += x / 2147483647 }
  print x, s
}
