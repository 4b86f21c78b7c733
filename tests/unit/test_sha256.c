// SHA-256: the standard's examples, the processor's instructions against portable C, and pieces against the whole.
#include <string.h>
#include "format/sha256.h"
#include "lib/check.h"

static void digests(void **state) {
  (void)state;
  static const struct {
    const char *text, *hex;
  } known[] = {{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
               {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
               {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"}};
  char hex[65], portable[65];
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    sha256_hex(known[i].text, strlen(known[i].text), hex);
    assert_string_equal(hex, known[i].hex);
    sha256_hex_portable(known[i].text, strlen(known[i].text), hex);
    assert_string_equal(hex, known[i].hex);
  }
  unsigned char data[300];
  for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)(i * 7 + 3);
  for (size_t n = 0; n <= sizeof data; n++) { // every place of the padding
    sha256_hex(data, n, hex);
    sha256_hex_portable(data, n, portable);
    assert_string_equal(hex, portable);
  }
}

// However the bytes are cut, and however often nothing comes.
static void pieces(void **state) {
  (void)state;
  unsigned char data[400];
  char whole[65], hex[65];
  for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)(i * 11 + 5);
  sha256_hex(data, sizeof data, whole);
  for (size_t first = 0; first <= 130; first++)
    for (size_t second = 0; second <= 130; second++) {
      sha256 s;
      sha256_init(&s);
      sha256_update(&s, data, first);
      sha256_update(&s, data + first, second);
      sha256_update(&s, NULL, 0);
      sha256_update(&s, data + first + second, sizeof data - first - second);
      sha256_final(&s, hex);
      assert_string_equal(hex, whole);
    }
}

static void million(void **state) {
  (void)state;
  char hex[65], a[1000];
  sha256 s;
  memset(a, 'a', sizeof a);
  sha256_init(&s);
  for (int i = 0; i < 1000; i++) sha256_update(&s, a, sizeof a);
  sha256_final(&s, hex);
  assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(digests), cmocka_unit_test(pieces),
                                     cmocka_unit_test(million)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
