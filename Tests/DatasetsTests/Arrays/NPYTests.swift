import Testing

@testable import Datasets

@Suite struct NPYTests {
  let directory = try! TemporaryDirectory()

  func features(_ bytes: [UInt8], _ format: DataFormat = .auto) throws -> FeatureMatrix {
    try FeatureMatrix(path: directory.write(bytes), format: format)
  }

  func labels(_ bytes: [UInt8]) throws -> [Int32] {
    try DataFormat.auto.read(directory.write(bytes)).labels()
  }

  @Test func `Features of every type and version are read`() throws {
    let expected = [0, 1.5, -2, 3, 4, 255]
    for (bytes, element): ([UInt8], FeatureMatrix.Element) in [
      (Fixtures.float32Features, .float32), (Fixtures.float64Features, .float64), (Fixtures.versionTwo, .float32),
      (Fixtures.versionThree, .float32), (Fixtures.fortranOrder, .float64), (Fixtures.bigEndian, .float32),
      (Fixtures.float16Features, .float16),
    ] {
      let features = try features(bytes)
      #expect(features.rows == 3 && features.columns == 2 && features.element == element)
      #expect(values(of: features) == expected)
    }
    #expect(values(of: try features(Fixtures.uint8Features, .npy)) == [0, 1, 128, 255, 7, 9])
    let images = try features(Fixtures.threeAxes)
    #expect(images.rows == 3 && images.columns == 4 && images.shape == [2, 2])
    #expect(values(of: images) == (0..<12).map(Double.init))
  }

  @Test func `Labels of every integer type are read`() throws {
    for bytes in [
      Fixtures.labelsU1, Fixtures.labelsI1, Fixtures.labelsU2, Fixtures.labelsI2, Fixtures.labelsU4, Fixtures.labelsI4,
      Fixtures.labelsU8, Fixtures.labelsI8, Fixtures.columnLabels, Fixtures.floatLabels,
    ] {
      #expect(try labels(bytes) == [2, 0, 1])
    }
    #expect(try labels(Fixtures.booleanLabels) == [1, 0, 1])
  }

  @Test func `Labels of every type order and shape are read`() throws {
    let numbers = [2.0, 0, 1, 1]
    let oneHot = numbers.flatMap { label in (0..<3).map { Double($0) == label ? 1.0 : 0 } }
    let names = [
      "uint8": "u1", "int8": "i1", "uint16": "u2", "int16": "i2", "uint32": "u4", "int32": "i4", "uint64": "u8",
      "int64": "i8", "float16": "f2", "bfloat16": "V2", "float32": "f4", "float64": "f8",
    ]
    for element in FeatureMatrix.Element.allCases {
      for (isSwapped, order) in [(false, "<"), (true, ">")] {
        func file(_ shape: String, _ numbers: [Double], isFortran: Bool = false) -> [UInt8] {
          Fixtures.numpy(
            1,
            "{'descr': '\(order)\(names[element.rawValue]!)', 'fortran_order': \(isFortran ? "True" : "False"), "
              + "'shape': \(shape), }", "") + TypedBytes.bytes(numbers, element, isSwapped: isSwapped)
        }
        for shape in ["(4,)", "(4, 1)", "(1, 4)"] {
          for isFortran in [false, true] {
            #expect(try labels(file(shape, numbers, isFortran: isFortran)) == [2, 0, 1, 1])
          }
        }
        #expect(try labels(file("(4, 3)", oneHot)) == [2, 0, 1, 1])
        let columns = (0..<3).flatMap { column in (0..<4).map { oneHot[3 * $0 + column] } }
        #expect(try labels(file("(4, 3)", columns, isFortran: true)) == [2, 0, 1, 1])
        let weights = try DataFormat.auto.read(directory.write(file("(1, 4)", numbers))).numbers()
        #expect(weights == numbers)
      }
    }
  }

  @Test func `Three axes in Fortran order are the same rows`() throws {
    let (rows, height, width) = (70, 3, 5)
    let numbers = (0..<rows * height * width).map { Double($0) }
    let columns = (0..<width).flatMap { x in
      (0..<height).flatMap { y in (0..<rows).map { numbers[($0 * height + y) * width + x] } }
    }
    for element in FeatureMatrix.Element.allCases where element.size > 1 && element != .bfloat16 {
      let name = element.rawValue.hasPrefix("f") ? "f" : element.rawValue.hasPrefix("u") ? "u" : "i"
      let path = directory.write(
        Fixtures.numpy(
          1, "{'descr': '>\(name)\(element.size)', 'fortran_order': True, 'shape': (\(rows), \(height), \(width)), }",
          "") + TypedBytes.bytes(columns, element, isSwapped: true))
      let features = try FeatureMatrix(path: path)
      #expect(features.shape == [height, width] && features.element == element && !features.isMapped)
      #expect(values(of: features) == numbers)
    }
  }

  @Test func `Plain files of every type stay where they are`() throws {
    for descriptor in ["|b1", "<f2", ">f2", "<i2", ">i4", "<i8", ">f8", "<V2"] {
      let dictionary = "{'descr': '\(descriptor)', 'fortran_order': False, 'shape': (2, 3), }"
      let zeros = [UInt8](repeating: 0, count: 6 * Int(descriptor.dropFirst(2))!)
      #expect(try features(Fixtures.numpy(1, dictionary, "") + zeros).isMapped)
    }
  }

  @Test func `Elements across the alignment are read`() throws {
    for padding in 0..<9 {
      let dictionary = "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2)}"
      let features = try features(Fixtures.numpy(1, dictionary, padding: padding, "000000000000f83f00000000000000c0"))
      #expect(values(of: features) == [1.5, -2])
    }
  }

  @Test func `What is not read is refused with a remedy`() throws {
    func array(_ descriptor: String, _ shape: String, _ size: Int) -> [UInt8] {
      Fixtures.numpy(1, "{'descr': '\(descriptor)', 'fortran_order': False, 'shape': \(shape), }", "")
        + [UInt8](repeating: 1, count: size)
    }
    for (bytes, remedy) in [
      (Fixtures.complexFeatures, "array.real"), (Fixtures.records, "fields"), (Fixtures.noExamples, "no examples"),
      (Fixtures.labelsI8, "reshape"), (array("<U1", "(3, 2)", 24), "numpy.unique"),
      (array("|O", "(3, 2)", 24), "array.astype(numpy.float32)"),
      (array("<M8[ns]", "(3, 2)", 48), "array.astype(numpy.int64)"),
      (array("<f16", "(3, 2)", 96), "array.astype(numpy.float32)"), (array("|V8", "(3, 2)", 48), "numbers"),
      (Array("PK\u{3}\u{4}rest".utf8), "damaged zip archive"), (Array("1,2,3\n".utf8), "numpy.save"),
    ] {
      let error = dataError { _ = try features(bytes) }
      #expect(error?.exitCode == 65 && error?.message.contains(remedy) == true, "\(error.map { "\($0)" } ?? remedy)")
    }
    let half = Fixtures.numpy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", "0000803f0000003f")
    for (bytes, remedy) in [
      (half, "the label of row 1, 0.5, is no class number; save whole numbers"),
      (Fixtures.float32Features, "row 0 of labels of the shape (n, 2) is not one-hot"),
      (array("|u1", "(2, 2)", 4), "not one-hot"), (Fixtures.threeAxes, "one label for each example"),
      (Fixtures.hugeLabels, "the label of row 1, 1099511627776, is no class"),
      (array("|O", "(3,)", 24), "array.astype(str)"),
    ] {
      let error = dataError { _ = try labels(bytes) }
      #expect(error?.exitCode == 65 && error?.message.contains(remedy) == true, "\(error.map { "\($0)" } ?? remedy)")
    }
  }

  @Test func `Headers of the same meaning are read`() throws {
    for dictionary in [
      "{'descr':'|u1','fortran_order':False,'shape':(1,2)}",
      "{\"shape\": (1, 2,), \"descr\": \"|u1\", \"fortran_order\": False}",
      " { 'fortran_order' : False , 'shape' : ( 1 , 2 ) , 'descr' : '<u1' , } ",
    ] {
      #expect(values(of: try features(Fixtures.numpy(1, dictionary, "0709"))) == [7, 9])
    }
  }

  @Test func `Malformed headers are errors`() throws {
    let rest = "'fortran_order': False, 'shape': (1, 2)}"
    for dictionary in [
      "", "{", "{}", "{'descr'", "{'descr': '|u1'}", "{'descr': '|u1', 'descr': '|u1', \(rest)",
      "{'descr': '|u1', 'extra': 1, \(rest)", "{'descr': '|u1' \(rest)", "{'descr': |u1, \(rest)",
      "{'descr': '', \(rest)",
      "{'descr': '|u1\\x', \(rest)", "{'descr': '|u1', \(rest) x",
      "{'descr': '|u1', 'fortran_order': 0, 'shape': (1, 2)}",
      "{'descr': '|u1', 'fortran_order': False, 'shape': (1 2)}",
      "{'descr': '|u1', 'fortran_order': False, 'shape': 2}",
      "{'descr': '|u1', 'fortran_order': False, 'shape': (2)}",
      "{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 2)}",
      "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2}",
      "{'descr': '|u1', 'fortran_order': False, 'shape': (1,, 2)}",
      "{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999, 2)}",
      "{'descr': '|u1', 'fortran_order': False, 'shape': (9223372036854775807, 2)}",
      "{'descr': '<f8', 'fortran_order': False, 'shape': (1152921504606846976, 2)}",
      "{'descr': [[[[[, \(rest)", "{'descr': [('a', \(rest)", "{'descr': '|f8', \(rest)", "{'descr': 'é1', \(rest)",
    ] {
      let path = directory.write(Fixtures.numpy(1, dictionary, "0709"))
      #expect(dataError { _ = try FeatureMatrix(path: path) }?.exitCode == 65, "\(dictionary)")
    }
    for version: UInt8 in [0, 4, 255] {
      let dictionary = "{'descr': '|u1', \(rest)"
      #expect(dataError { _ = try features(Fixtures.numpy(version, dictionary, "0709")) }?.exitCode == 65)
    }
  }
}
