import Foundation
import LinearAlgebra
import Testing

@testable import Datasets

@Suite struct DecimalNumberTests {
  /// The number, if the whole text is one.
  func parse<Scalar: DecimalScalar>(_ text: String, as _: Scalar.Type) -> Scalar? {
    (Array(text.utf8) + [0x0a]).withUnsafeBufferPointer { bytes in
      var cursor = bytes.baseAddress!
      let number = DecimalNumber.parse(&cursor, as: Scalar.self)
      return cursor == bytes.baseAddress! + bytes.count - 1 ? number : nil
    }
  }

  func check(_ text: String) {
    let double = parse(text, as: Double.self)
    let float = parse(text, as: Float.self)
    #expect(double?.bitPattern == strtod(text, nil).bitPattern, "\(text)")
    #expect(float?.bitPattern == strtof(text, nil).bitPattern, "\(text)")
  }

  @Test func `Random numbers are those of the c library`() {
    var generator = SplitMix64(seed: 1)
    for _ in 0..<20_000 {
      // Mantissas and exponents of all sizes.
      let mantissa = generator.next() >> generator.next(below: 64)
      check("\(mantissa)e\(Int(generator.next(below: 60)) - 30)")
      check("-\(mantissa)e\(Int(generator.next(below: 700)) - 350)")
      let digits = "\(generator.next())"
      let point = digits.index(digits.startIndex, offsetBy: Int(generator.next(below: UInt64(digits.count + 1))))
      check(digits[..<point] + "." + digits[point...])
      check("0.000\(digits)\(generator.next())E+5")
      check("\(Double(bitPattern: generator.next() & ~(0x7ff << 52) | generator.next(below: 2046) << 52))")
      check("\(Float(bitPattern: UInt32(generator.next(below: 0x7f80_0000))))")
    }
  }

  @Test func `Numbers halfway between two are rounded once`() {
    var generator = SplitMix64(seed: 2)
    for _ in 0..<5000 {
      // Between two floats, and slightly beside: as doubles, all three may be equal.
      let below = Float(bitPattern: 0x3f80_0000 + UInt32(generator.next(below: 1 << 23)))
      let middle = (Double(below) + Double(below.nextUp)) / 2
      let text = String(format: "%.25f", middle)
      check(text)
      check(text.dropLast() + "1")
      check("\(middle)")
      // Between two doubles that are whole numbers.
      let odd = generator.next(below: 1 << 53) << 1 | 1 << 54 | 1
      for neighbour in [odd - 1, odd, odd + 1] {
        check("\(neighbour)")
        check("\(neighbour)e5")
        check("\(neighbour)e-5")
      }
    }
    for text in ["1.00000005960464477539062", "1.00000005960464477539063", "16777217", "16777219", "1e-45", "7e-46"] {
      check(text)
    }
  }

  @Test func `Special forms are read`() {
    for text in [
      "0", "-0", "+0", "00", "007", "1.", ".1", "-.5", "+1", "1e5", "1E5", "1e+05", "1e-05", "0e999999999999999999999",
      "-0.0",
      "1e-400", "1e400", "-1e400", "1e-99999999999999999999999", "1e99999999999999999999999", "9223372036854775808",
      "18446744073709551616", "9999999999999999999", "00000000000000000000000000000000000001", "3.5e38", "1e-46",
      "4.9406564584124654e-324", "2.4703282292062327e-324", "2.4703282292062328e-324", "1.7976931348623158e308",
      "1.7976931348623159e308", "1" + String(repeating: "0", count: 400),
      "0." + String(repeating: "0", count: 400) + "1",
      String(repeating: "1", count: 300) + "e-300", "5.e400", ".5e-400", "-5.e-300", "+.5e300",
      "+.00000000000000000000000001e+05", "00000000000000000000000.", "-.00000000000000000000000",
    ] {
      check(text)
    }
  }

  @Test func `What is no number is none`() {
    for text in [
      "", "+", "-", ".", "e5", "-.", "1e", "1e+", "1e-", "1.5e.", "inf", "nan", "-inf", "infinity", "0x10", "0x1p3",
      "1_000",
      "1,5", "1.2.3", "--1", "+-1", " 1", "1 ", "1f", "1d5", "١", "1\u{0}",
    ] {
      #expect(parse(text, as: Double.self) == nil, "\(text)")
      #expect(parse(text, as: Float.self) == nil, "\(text)")
    }
  }
}
