static int table[] = {
    0, 1, 2, 3,
    4, 5, 6, 7,
    8, 9, 10, 11,
    12, 13, 14, 15,
    16, 17, 18, 19,
    20, 21, 22, 23,
    24, 25, 26, 27,
    28, 29, 30, 31,
    32, 33, 34, 35,
    36, 37, 38, 39,
    40, 41, 42, 43,
    44, 45, 46, 47,
    48, 49, 50, 51,
    52, 53, 54, 55,
    56, 57, 58, 59,
    60, 61, 62, 63,
    64, 65, 66, 67,
    68, 69, 70, 71,
    72, 73, 74, 75,
    76, 77, 78, 79,
    80, 81, 82, 83,
    84, 85, 86, 87,
    88, 89, 90, 91,
    92, 93, 94, 95,
    96, 97, 98, 99,
    100, 101, 102, 103,
    104, 105, 106, 107,
    108, 109, 110, 111,
    112, 113, 114, 115,
    116, 117, 118, 119,
    120, 121, 122, 123,
    124, 125, 126, 127,
    128, 129, 130, 131,
    132, 133, 134, 135,
    136, 137, 138, 139,
    140, 141, 142, 143,
    144, 145, 146, 147,
    148, 149, 150, 151,
    152, 153, 154, 155,
    156, 157, 158, 159,
    160, 161, 162, 163,
    164, 165, 166, 167,
    168, 169, 170, 171,
    172, 173, 174, 175,
    176, 177, 178, 179,
    180, 181, 182, 183,
    184, 185, 186, 187,
    188, 189, 190, 191,
    192, 193, 194, 195,
    196, 197, 198, 199,
    200, 201, 202, 203,
    204, 205, 206, 207,
    208, 209, 210, 211,
    212, 213, 214, 215,
    216, 217, 218, 219,
    220, 221, 222, 223,
    224, 225, 226, 227,
    228, 229, 230, 231,
    232, 233, 234, 235,
    236, 237, 238, 239,
    240, 241, 242, 243,
    244, 245, 246, 247,
    248, 249, 250, 251,
    252, 253, 254, 255,
    256, 257, 258, 259,
    260, 261, 262, 263,
    264, 265, 266, 267,
    268, 269, 270, 271,
    272, 273, 274, 275,
    276, 277, 278, 279,
    280, 281, 282, 283,
    284, 285, 286, 287,
    288, 289, 290, 291,
    292, 293, 294, 295,
    296, 297, 298, 299,
    300, 301, 302, 303,
    304, 305, 306, 307,
    308, 309, 310, 311,
    312, 313, 314, 315,
    316, 317, 318, 319,
    320, 321, 322, 323,
    324, 325, 326, 327,
    328, 329, 330, 331,
    332, 333, 334, 335,
    336, 337, 338, 339,
    340, 341, 342, 343,
    344, 345, 346, 347,
    348, 349, 350, 351,
    352, 353, 354, 355,
    356, 357, 358, 359,
    360, 361, 362, 363,
    364, 365, 366, 367,
    368, 369, 370, 371,
    372, 373, 374, 375,
    376, 377, 378, 379,
    380, 381, 382, 383,
    384, 385, 386, 387,
    388, 389, 390, 391,
    392, 393, 394, 395,
    396, 397, 398, 399,
};
static inline int f0(int x) { for (int i = 0; i < x; i++) x = (x * 3 + table[i % 400]) % 1009; return x; }
static inline int f1(int x) { for (int i = 0; i < x; i++) x = (x * 4 + table[i % 400]) % 1009; return x; }
static inline int f2(int x) { for (int i = 0; i < x; i++) x = (x * 5 + table[i % 400]) % 1009; return x; }
static inline int f3(int x) { for (int i = 0; i < x; i++) x = (x * 6 + table[i % 400]) % 1009; return x; }
static inline int f4(int x) { for (int i = 0; i < x; i++) x = (x * 7 + table[i % 400]) % 1009; return x; }
static inline int f5(int x) { for (int i = 0; i < x; i++) x = (x * 8 + table[i % 400]) % 1009; return x; }
static inline int f6(int x) { for (int i = 0; i < x; i++) x = (x * 9 + table[i % 400]) % 1009; return x; }
static inline int f7(int x) { for (int i = 0; i < x; i++) x = (x * 10 + table[i % 400]) % 1009; return x; }
static inline int f8(int x) { for (int i = 0; i < x; i++) x = (x * 11 + table[i % 400]) % 1009; return x; }
static inline int f9(int x) { for (int i = 0; i < x; i++) x = (x * 12 + table[i % 400]) % 1009; return x; }
static inline int f10(int x) { for (int i = 0; i < x; i++) x = (x * 13 + table[i % 400]) % 1009; return x; }
static inline int f11(int x) { for (int i = 0; i < x; i++) x = (x * 14 + table[i % 400]) % 1009; return x; }
static inline int f12(int x) { for (int i = 0; i < x; i++) x = (x * 15 + table[i % 400]) % 1009; return x; }
static inline int f13(int x) { for (int i = 0; i < x; i++) x = (x * 16 + table[i % 400]) % 1009; return x; }
static inline int f14(int x) { for (int i = 0; i < x; i++) x = (x * 17 + table[i % 400]) % 1009; return x; }
static inline int f15(int x) { for (int i = 0; i < x; i++) x = (x * 18 + table[i % 400]) % 1009; return x; }
static inline int f16(int x) { for (int i = 0; i < x; i++) x = (x * 19 + table[i % 400]) % 1009; return x; }
static inline int f17(int x) { for (int i = 0; i < x; i++) x = (x * 20 + table[i % 400]) % 1009; return x; }
static inline int f18(int x) { for (int i = 0; i < x; i++) x = (x * 21 + table[i % 400]) % 1009; return x; }
static inline int f19(int x) { for (int i = 0; i < x; i++) x = (x * 22 + table[i % 400]) % 1009; return x; }
static inline int f20(int x) { for (int i = 0; i < x; i++) x = (x * 23 + table[i % 400]) % 1009; return x; }
static inline int f21(int x) { for (int i = 0; i < x; i++) x = (x * 24 + table[i % 400]) % 1009; return x; }
static inline int f22(int x) { for (int i = 0; i < x; i++) x = (x * 25 + table[i % 400]) % 1009; return x; }
static inline int f23(int x) { for (int i = 0; i < x; i++) x = (x * 26 + table[i % 400]) % 1009; return x; }
static inline int f24(int x) { for (int i = 0; i < x; i++) x = (x * 27 + table[i % 400]) % 1009; return x; }
static inline int f25(int x) { for (int i = 0; i < x; i++) x = (x * 28 + table[i % 400]) % 1009; return x; }
static inline int f26(int x) { for (int i = 0; i < x; i++) x = (x * 29 + table[i % 400]) % 1009; return x; }
static inline int f27(int x) { for (int i = 0; i < x; i++) x = (x * 30 + table[i % 400]) % 1009; return x; }
static inline int f28(int x) { for (int i = 0; i < x; i++) x = (x * 31 + table[i % 400]) % 1009; return x; }
static inline int f29(int x) { for (int i = 0; i < x; i++) x = (x * 32 + table[i % 400]) % 1009; return x; }
static inline int f30(int x) { for (int i = 0; i < x; i++) x = (x * 33 + table[i % 400]) % 1009; return x; }
static inline int f31(int x) { for (int i = 0; i < x; i++) x = (x * 34 + table[i % 400]) % 1009; return x; }
static inline int f32(int x) { for (int i = 0; i < x; i++) x = (x * 35 + table[i % 400]) % 1009; return x; }
static inline int f33(int x) { for (int i = 0; i < x; i++) x = (x * 36 + table[i % 400]) % 1009; return x; }
static inline int f34(int x) { for (int i = 0; i < x; i++) x = (x * 37 + table[i % 400]) % 1009; return x; }
static inline int f35(int x) { for (int i = 0; i < x; i++) x = (x * 38 + table[i % 400]) % 1009; return x; }
static inline int f36(int x) { for (int i = 0; i < x; i++) x = (x * 39 + table[i % 400]) % 1009; return x; }
static inline int f37(int x) { for (int i = 0; i < x; i++) x = (x * 40 + table[i % 400]) % 1009; return x; }
static inline int f38(int x) { for (int i = 0; i < x; i++) x = (x * 41 + table[i % 400]) % 1009; return x; }
static inline int f39(int x) { for (int i = 0; i < x; i++) x = (x * 42 + table[i % 400]) % 1009; return x; }
static inline int f40(int x) { for (int i = 0; i < x; i++) x = (x * 43 + table[i % 400]) % 1009; return x; }
static inline int f41(int x) { for (int i = 0; i < x; i++) x = (x * 44 + table[i % 400]) % 1009; return x; }
static inline int f42(int x) { for (int i = 0; i < x; i++) x = (x * 45 + table[i % 400]) % 1009; return x; }
static inline int f43(int x) { for (int i = 0; i < x; i++) x = (x * 46 + table[i % 400]) % 1009; return x; }
static inline int f44(int x) { for (int i = 0; i < x; i++) x = (x * 47 + table[i % 400]) % 1009; return x; }
static inline int f45(int x) { for (int i = 0; i < x; i++) x = (x * 48 + table[i % 400]) % 1009; return x; }
static inline int f46(int x) { for (int i = 0; i < x; i++) x = (x * 49 + table[i % 400]) % 1009; return x; }
static inline int f47(int x) { for (int i = 0; i < x; i++) x = (x * 50 + table[i % 400]) % 1009; return x; }
static inline int f48(int x) { for (int i = 0; i < x; i++) x = (x * 51 + table[i % 400]) % 1009; return x; }
static inline int f49(int x) { for (int i = 0; i < x; i++) x = (x * 52 + table[i % 400]) % 1009; return x; }
static inline int all(int x) {
    return f0(x) + f1(x) + f2(x) + f3(x) + f4(x) + f5(x) + f6(x) + f7(x) + f8(x) + f9(x) + f10(x) + f11(x) + f12(x) + f13(x) + f14(x) + f15(x) + f16(x) + f17(x) + f18(x) + f19(x) + f20(x) + f21(x) + f22(x) + f23(x) + f24(x) + f25(x) + f26(x) + f27(x) + f28(x) + f29(x) + f30(x) + f31(x) + f32(x) + f33(x) + f34(x) + f35(x) + f36(x) + f37(x) + f38(x) + f39(x) + f40(x) + f41(x) + f42(x) + f43(x) + f44(x) + f45(x) + f46(x) + f47(x) + f48(x) + f49(x);
}
