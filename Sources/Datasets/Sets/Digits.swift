extension Dataset {
  /// The built-in data set: 1797 handwritten digits of 8 × 8 pixels in 0…16, 1437 for training and 360 for testing.
  ///
  /// From the test part of: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning
  /// Repository, 1998, https://doi.org/10.24432/C50P49, licensed CC BY 4.0; as in scikit-learn's `load_digits`, with
  /// the rows in the order of NumPy's `default_rng(0).permutation(1797)`.
  package static func digits() -> (train: Dataset, test: Dataset) {
    let images = unpackedDigits()
    let pixels = 64
    func part(_ rows: Range<Int>) -> Dataset {
      Dataset(
        features: FeatureMatrix(rows.flatMap { images[$0].prefix(pixels) }, shape: [8, 8]),
        labels: rows.map { Int32(images[$0][pixels]) }, classCount: 10)
    }
    return (train: part(0..<1437), test: part(1437..<images.count))
  }

  /// For each image its 64 pixels, its class, and a 0.
  ///
  /// The constant holds 22 pairs of characters per image. A pair (a, b), counted from "$", stands for the number 71 · a
  /// + b, whose three digits to the base 17 are values in 0…16, the first one highest.
  private static func unpackedDigits() -> [[UInt8]] {
    let symbols = packedDigits.utf8.filter { $0 != UInt8(ascii: "\n") }.map { Int($0 - UInt8(ascii: "$")) }
    return stride(from: 0, to: symbols.count, by: 44).map { image in
      stride(from: image, to: image + 44, by: 2).flatMap { pair in
        let number = 71 * symbols[pair] + symbols[pair + 1]
        return [number / 289, number / 17 % 17, number % 17].map(UInt8.init)
      }
    }
  }
}
