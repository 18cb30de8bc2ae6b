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

  @Test func featuresOfEveryTypeAndVersionAreRead() throws {
    let expected = [0, 1.5, -2, 3, 4, 255]
    for (bytes, element): ([UInt8], FeatureMatrix.Element) in [
      (Fixtures.float32Features, .float32), (Fixtures.float64Features, .float64), (Fixtures.versionTwo, .float32),
      (Fixtures.versionThree, .float32),
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

  @Test func labelsOfEveryIntegerTypeAreRead() throws {
    for bytes in [
      Fixtures.labelsU1, Fixtures.labelsI1, Fixtures.labelsU2, Fixtures.labelsI2, Fixtures.labelsU4, Fixtures.labelsI4,
      Fixtures.labelsU8, Fixtures.labelsI8, Fixtures.columnLabels,
    ] {
      #expect(try labels(bytes) == [2, 0, 1])
    }
  }

  @Test func elementsAcrossTheAlignmentAreRead() throws {
    for padding in 0..<9 {
      let dictionary = "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2)}"
      let features = try features(Fixtures.numpy(1, dictionary, padding: padding, "000000000000f83f00000000000000c0"))
      #expect(values(of: features) == [1.5, -2])
      #expect(UInt(bitPattern: features.pieces[0].base) % 8 == 0)
    }
  }

  @Test func whatIsNotReadIsRefusedWithARemedy() throws {
    for (bytes, remedy) in [
      (Fixtures.fortranOrder, "numpy.ascontiguousarray"), (Fixtures.bigEndian, ".astype('<f4')"),
      (Fixtures.float16Features, ".astype(numpy.float32)"), (Fixtures.complexFeatures, ".astype(numpy.float32)"),
      (Fixtures.records, "fields"), (Fixtures.noExamples, "no examples"), (Fixtures.labelsI8, "reshape"),
      (Fixtures.oneHotLabels, ".astype(numpy.float32)"), (Array("PK\u{3}\u{4}rest".utf8), "numpy.save"),
      (Array("1,2,3\n".utf8), "numpy.save"),
    ] {
      let error = dataError { _ = try features(bytes) }
      #expect(error?.exitCode == 65 && error?.message.contains(remedy) == true, "\(error.map { "\($0)" } ?? remedy)")
    }
    for (bytes, remedy) in [
      (Fixtures.booleanLabels, ".astype(numpy.int64)"), (Fixtures.floatLabels, ".astype(numpy.int64)"),
      (Fixtures.oneHotLabels, ".argmax(axis=1)"), (Fixtures.hugeLabels, "row 1"),
    ] {
      let error = dataError { _ = try labels(bytes) }
      #expect(error?.exitCode == 65 && error?.message.contains(remedy) == true, "\(error.map { "\($0)" } ?? remedy)")
    }
  }

  @Test func headersOfTheSameMeaningAreRead() throws {
    for dictionary in [
      "{'descr':'|u1','fortran_order':False,'shape':(1,2)}",
      "{\"shape\": (1, 2,), \"descr\": \"|u1\", \"fortran_order\": False}",
      " { 'fortran_order' : False , 'shape' : ( 1 , 2 ) , 'descr' : '<u1' , } ",
    ] {
      #expect(values(of: try features(Fixtures.numpy(1, dictionary, "0709"))) == [7, 9])
    }
  }

  @Test func malformedHeadersAreErrors() throws {
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
