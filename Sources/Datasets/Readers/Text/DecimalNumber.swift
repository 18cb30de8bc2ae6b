/// The types that numbers in text are read as: Float and Double.
protocol DecimalScalar: LosslessStringConvertible, BinaryFloatingPoint {
  /// The value nearest to a decimal number, given the nearest Double; nil where the Double does not determine it.
  static func nearest(_ number: Double) -> Self?
}

extension Double: DecimalScalar {
  @inline(__always)
  static func nearest(_ number: Double) -> Double? { number }
}

extension Float: DecimalScalar {
  /// nil where rounding twice may differ from rounding once: halfway between two floats, or where a float loses bits to
  /// underflow.
  @inline(__always)
  static func nearest(_ number: Double) -> Float? {
    let isHalfway = number.bitPattern & 0x1fff_ffff == 0x1000_0000
    let isSmall = number.magnitude < Double(Float.leastNormalMagnitude) && number != 0
    return isHalfway || isSmall ? nil : Float(number)
  }
}

/// Decimal numbers in text: a sign, digits with or without a point, an exponent; no names, no hexadecimal digits.
enum DecimalNumber {
  /// Parses the number at `cursor`, rounded to the nearest value, ties to even; infinite where it is too large. Moves
  /// the cursor behind the number.
  ///
  /// Without a number the result is nil, and the cursor is anywhere up to the first byte that does not fit. At or
  /// behind the cursor the text must have a byte that belongs to no number, such as a newline: nothing is read beyond
  /// it.
  @inline(__always)
  static func parse<Scalar: DecimalScalar>(_ cursor: inout UnsafePointer<UInt8>, as _: Scalar.Type) -> Scalar? {
    let start = cursor
    let isNegative = cursor.pointee == UInt8(ascii: "-")
    if isNegative || cursor.pointee == UInt8(ascii: "+") { cursor += 1 }
    var mantissa: UInt64 = 0
    let whole = cursor
    digits(&cursor, into: &mantissa)
    var digitCount = cursor - whole
    var exponent = 0
    if cursor.pointee == UInt8(ascii: ".") {
      cursor += 1
      let fraction = cursor
      digits(&cursor, into: &mantissa)
      exponent = fraction - cursor
      digitCount -= exponent
    }
    guard digitCount > 0 else { return nil }
    if cursor.pointee | 0x20 == UInt8(ascii: "e") {
      cursor += 1
      guard let written = parseExponent(&cursor) else { return nil }
      exponent += written
    }
    // 19 digits fit into the mantissa.
    if digitCount <= 19, let magnitude = nearest(mantissa, exponent),
      let result = Scalar.nearest(isNegative ? -magnitude : magnitude)
    {
      return result
    }
    return exact(start, cursor)
  }

  /// mantissa · 10^exponent, rounded once; nil where that takes more than 128 bits.
  @inline(__always)
  static func nearest(_ mantissa: UInt64, _ exponent: Int) -> Double? {
    // Both factors are exact, so the one operation rounds correctly (Clinger: How to read floating point numbers
    // accurately, PLDI 1990).
    if mantissa >> 53 == 0 && exponent >= -22 && exponent <= 22 {
      return exponent < 0
        ? Double(mantissa) / powersOfTen[unchecked: -exponent] : Double(mantissa) * powersOfTen[unchecked: exponent]
    }
    return nearestOfWide(mantissa, exponent)
  }

  /// mantissa · 10^exponent by an integer product or quotient; nil for |exponent| > 27: 5^27 is the last power within
  /// 64 bits.
  @inline(never)
  private static func nearestOfWide(_ mantissa: UInt64, _ exponent: Int) -> Double? {
    if mantissa == 0 { return 0 }
    guard exponent >= -27 && exponent <= 27 else { return nil }
    let power = powersOfFive[abs(exponent)]
    // The value is (bits + a fraction, unless exact) · 2^scale, and the top bit of the 64 is set.
    let bits: UInt64
    let isExact: Bool
    var scale = exponent
    if exponent >= 0 {
      let (high, low) = mantissa.multipliedFullWidth(by: power)
      let shift = high == 0 ? 64 + low.leadingZeroBitCount : high.leadingZeroBitCount
      bits = high << UInt64(shift) | (shift >= 64 ? low << UInt64(shift - 64) : low >> UInt64(64 - shift))
      isExact = shift >= 64 || low << UInt64(shift) == 0
      scale += 64 - shift
    } else {
      let dividend = mantissa << UInt64(mantissa.leadingZeroBitCount)
      let divisor = power << UInt64(power.leadingZeroBitCount)
      scale += power.leadingZeroBitCount - mantissa.leadingZeroBitCount
      let isLarger = dividend >= divisor
      let (quotient, remainder) = divisor.dividingFullWidth(
        isLarger ? (dividend >> 1, dividend << 63) : (dividend, 0))
      bits = quotient
      isExact = remainder == 0
      scale -= isLarger ? 63 : 64
    }
    var significand = bits >> 11
    let rest = bits & 0x7ff
    if rest > 0x400 || (rest == 0x400 && (!isExact || significand & 1 == 1)) { significand += 1 }
    return Double(significand) * Double(sign: .plus, exponent: scale + 11, significand: 1)
  }

  /// Converts a valid number with the standard library.
  @inline(never)
  private static func exact<Scalar: DecimalScalar>(
    _ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>
  ) -> Scalar? {
    Scalar(String(decoding: UnsafeBufferPointer(start: start, count: end - start), as: UTF8.self))
  }

  @inline(__always)
  private static func digits(_ cursor: inout UnsafePointer<UInt8>, into mantissa: inout UInt64) {
    while true {
      let digit = cursor.pointee &- UInt8(ascii: "0")
      if digit > 9 { return }
      mantissa = mantissa &* 10 &+ UInt64(digit)
      cursor += 1
    }
  }

  /// Parses an exponent, and stops counting beyond ±100,000: no number of digits in memory makes up for that.
  @inline(__always)
  private static func parseExponent(_ cursor: inout UnsafePointer<UInt8>) -> Int? {
    let isNegative = cursor.pointee == UInt8(ascii: "-")
    if isNegative || cursor.pointee == UInt8(ascii: "+") { cursor += 1 }
    let start = cursor
    var value = 0
    while true {
      let digit = cursor.pointee &- UInt8(ascii: "0")
      if digit > 9 { break }
      value = min(10 &* value &+ Int(digit), 100_000)
      cursor += 1
    }
    return cursor == start ? nil : isNegative ? -value : value
  }

  private static let powersOfTen: InlineArray<23, Double> = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
  ]

  private static let powersOfFive: InlineArray<28, UInt64> = {
    var powers = InlineArray<28, UInt64>(repeating: 1)
    for exponent in 1..<28 { powers[exponent] = 5 * powers[exponent - 1] }
    return powers
  }()
}
